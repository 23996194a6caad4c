/// tenon/pipeline.hpp: pipelines of tasks, written in TOML, checked as a whole, then run.
///
///   auto catalog = tenon::Catalog::open({.plugin_dirs = {"build/plugins"}});
///   tenon::Diagnostics diagnostics;
///   auto graph = tenon::Graph::load("inventory.toml", *catalog, {}, diagnostics);
///   if (!graph) { std::cerr << diagnostics.to_text(); return 78; }
///   auto report = tenon::run_pipeline(runtime, *graph);
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tenon/bytes.hpp>
#include <tenon/catalog.hpp>
#include <tenon/error.hpp>
#include <tenon/runtime.hpp>

namespace tenon {

enum class Severity { kError, kWarning, kNote };

/// One message about a pipeline file.
struct Diagnostic {
  Severity severity = Severity::kError;
  std::string file;
  std::uint32_t line = 0;    ///< From 1; 0 if the message has no location.
  std::uint32_t column = 0;  ///< From 1, in bytes.
  std::uint32_t length = 1;  ///< Number of bytes the caret underlines.
  std::string message;
  std::string hint;  ///< "did you mean ..." or advice; may be empty.
  std::string source_line;
};

/// All messages of one load, in file order.
struct Diagnostics {
  std::vector<Diagnostic> items;
  [[nodiscard]] bool has_errors() const noexcept;
  /// `file:line:col: error: message`, the source line, a caret, hints; with ANSI colors on request.
  [[nodiscard]] std::string to_text(bool color = false) const;
  [[nodiscard]] std::string to_json() const;
};

struct LoadOptions {
  /// `--set key=value`: a dotted key of the file and a TOML value (or, if it is not valid TOML, a
  /// string).
  std::vector<std::pair<std::string, std::string>> overrides;
  /// Looks up environment variables; empty: those of the process.
  std::function<std::optional<std::string>(const std::string&)> environment;
  /// Whether Graph::load also reads a FIFO or character device, to its end: for names given by a
  /// user (`/dev/stdin`, `<(command)`).
  bool streams = false;
  /// Whether RunOptions will have `input` and `output`. Otherwise a source that reads standard input,
  /// or a sink that writes standard output, is an error.
  bool standard_streams = false;
  /// For Graph::load: another file with tests of the pipeline, which has only `[[tests]]`. Empty: no
  /// such file.
  std::filesystem::path test_file;
};

enum class GraphFormat { kDot, kMermaid, kJson };

/// A checked pipeline: all names are resolved, the types of all edges agree, params are encoded.
/// Immutable; copies share.
class Graph {
 public:
  /// Reads and checks a file. nullopt if `diagnostics` has errors; it may have warnings in either
  /// case.
  [[nodiscard]] static std::optional<Graph> load(const std::filesystem::path& file, const Catalog& catalog,
                                                 const LoadOptions& options, Diagnostics& diagnostics);
  /// Like load, for text; `name` stands for the file in messages.
  [[nodiscard]] static std::optional<Graph> parse(std::string_view text, std::string_view name, const Catalog& catalog,
                                                  const LoadOptions& options, Diagnostics& diagnostics);
  [[nodiscard]] std::string to_text(GraphFormat format) const;
  [[nodiscard]] const std::string& name() const noexcept;
  /// Plugin settings from the file, for RuntimeOptions::plugin_settings.
  [[nodiscard]] const std::map<std::string, Buffer>& plugin_settings() const noexcept;
  /// Whether the graph, running or not, can continue with another version of one of its plugins;
  /// for HotSwapOptions::admit. Errors: kIncompatible, if the version violates the file's pin (with
  /// the pin's location); if a task that the graph uses is missing or of another kind; or if
  /// params, settings, a source's argument or an edge would no longer be understood. A plugin that
  /// the graph does not use is admitted. [any-thread]
  [[nodiscard]] Result<void> admits(const PluginInfo& candidate) const;

  struct Impl;
  [[nodiscard]] const Impl& impl() const noexcept { return *impl_; }

 private:
  explicit Graph(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
};

/// Counters of one stage, source or sink. At every moment
///   items_in = items_out + failed + dropped + in_flight + queued
/// holds for a stage that gives one item for one; for expand, batch, reduce and collecting sinks,
/// `grouped` replaces items_out. A plain sink counts an item as out once its task has accepted it.
/// In the final report in_flight and queued are zero unless the run was cancelled or failed.
struct StageReport {
  std::string name;
  std::string task;             ///< Empty for a stage, or an end, that needs none.
  std::string kind;             ///< "source", "sink", or the kind of a stage.
  std::uint64_t items_in = 0;   ///< Accepted into the input queue; 0 for sources.
  std::uint64_t items_out = 0;  ///< Passed on; an item for several consumers counts once.
  /// Batch, reduce, collecting sink: items in a result. Expand: items that have given all results.
  std::uint64_t grouped = 0;
  std::uint64_t failed = 0;
  std::uint64_t retried = 0;  ///< Attempts beyond the first, made by the pipeline.
  /// Dropped because the file says so, as in a route's ignored case, or taken into a result that an interrupted run
  /// does not produce.
  std::uint64_t dropped = 0;
  std::uint64_t in_flight = 0;
  std::uint64_t queued = 0;
  /// Sources: how many items they will produce in total, as their task reports by `progress`; 0 if
  /// unknown.
  std::uint64_t expected_items = 0;
  bool ended = false;  ///< It produces nothing further.
  /// Why a result is missing, as after an interrupt, or why items were dropped; may be empty.
  std::string note;
  double busy_seconds = 0;
};

/// One item that failed permanently.
struct ItemFailure {
  std::string stage;
  std::string item;  ///< Its identification: the path, the origin, or its number.
  Error error;
};

struct RunReport {
  enum class End {
    kDone,
    kInterrupted,
    kFailed,
    kRunning,  ///< Not over yet; only in the reports of RunControl::report and RunOptions::on_progress.
  };
  End end = End::kDone;
  std::vector<StageReport> stages;
  std::vector<ItemFailure> failures;  ///< The first RunOptions::max_reported_failures.
  std::uint64_t failure_count = 0;
  std::optional<Error> error;  ///< Why the run as a whole failed.
  /// The source, reduce or collecting sink that failed with `error`; empty if there is none.
  std::string failed_stage;
  double seconds = 0;
  /// Results of collecting sinks, by sink name.
  std::vector<std::pair<std::string, Reply>> outputs;
  /// Everything except the bytes of the outputs, which are reported by size.
  [[nodiscard]] std::string to_json() const;
};

namespace internal {
class Steering;
}

/// Controls and observes one run from outside:
///
///   auto control = std::make_shared<tenon::RunControl>();
///   std::thread runner([&] { tenon::run_pipeline(runtime, graph, {.control = control}); });
///   control->pause();
///
/// All members are [any-thread], return immediately and wake the run, so requests take effect at
/// once. Requests made before the run starts apply from its beginning. Requests made after its end
/// do nothing.
class RunControl {
 public:
  enum class State : std::uint8_t {
    kReady,       ///< Has not started.
    kRunning,     ///< Running.
    kPausing,     ///< Starts nothing new; some work is still running.
    kPaused,      ///< Nothing runs and nothing starts.
    kDraining,    ///< Sources have stopped; work in flight is finished.
    kCancelling,  ///< Running work is being stopped.
    kEnded,       ///< The run is over; `report` is final.
  };

  RunControl();
  RunControl(const RunControl&) = delete;
  RunControl& operator=(const RunControl&) = delete;
  ~RunControl();

  /// Sources and stages start nothing new; running calls, steps and batches finish, and their
  /// results wait. Time-outs of running calls keep counting; `max_wait` of a batch being collected
  /// is suspended.
  void pause();
  /// Ends a pause.
  void resume();
  /// Stops the sources and finishes work in flight, as RunOptions::stop = 1. Ends a pause, since a
  /// paused run would never finish; a later pause holds until it is resumed.
  void drain();
  /// Ends the run immediately, as RunOptions::stop = 2.
  void cancel();
  [[nodiscard]] State state() const;
  /// Counters so far, at most about 100 ms old; exact while paused and after the end. Has no stages
  /// before the start. Costs a copy and does not disturb the run.
  [[nodiscard]] RunReport report() const;

  [[nodiscard]] internal::Steering& steering() const noexcept { return *steering_; }

 private:
  std::unique_ptr<internal::Steering> steering_;
};
/// "ready", "running", ... Valid for the life of the process.
[[nodiscard]] std::string_view run_state_name(RunControl::State state) noexcept;
/// "done", "interrupted", ... Valid for the life of the process.
[[nodiscard]] std::string_view run_end_name(RunReport::End end) noexcept;

/// The bytes that a source with `kind = "stdin"` reads.
class ByteInput {
 public:
  ByteInput() = default;
  ByteInput(const ByteInput&) = delete;
  ByteInput& operator=(const ByteInput&) = delete;
  virtual ~ByteInput() = default;

  /// Reads up to `buffer.size()` bytes, and waits for at least one; returns 0 at the end. Called on a
  /// thread of the run. Errors: kCancelled after `cancel`; others as they are, which end the run.
  [[nodiscard]] virtual Result<std::size_t> read(MutableBytesView buffer) = 0;
  /// Ends a read that waits, and all later ones. [any-thread]
  virtual void cancel() noexcept = 0;
};

/// Where a sink with `kind = "stdout"` writes.
class ByteOutput {
 public:
  ByteOutput() = default;
  ByteOutput(const ByteOutput&) = delete;
  ByteOutput& operator=(const ByteOutput&) = delete;
  virtual ~ByteOutput() = default;

  /// Writes all bytes. Called on a thread of the run. Errors: kUnavailable if the reader has gone
  /// away, which ends the sink without an error; kCancelled after `cancel`; others as they are, which
  /// end the run.
  [[nodiscard]] virtual Result<void> write(BytesView bytes) = 0;
  /// Ends a write that waits, and all later ones. [any-thread]
  virtual void cancel() noexcept = 0;
};

/// Items that failed at one stage with one error code.
struct FailureNotice {
  std::string stage;
  ErrorCode code = ErrorCode::kFailed;
  std::uint64_t count = 0;  ///< Number since the previous notice of this stage and code.
  std::uint64_t total = 0;  ///< Number for this stage and code since the start of the run.
  std::string item;         ///< The latest such item, as in ItemFailure.
  Error error;              ///< The error of that item.
};

struct RunOptions {
  /// Called when items fail, on the runner's thread: immediately for the first failure of a stage
  /// and error code, then every few seconds with the number since, and at the end of the run with
  /// the remainder.
  std::function<void(const FailureNotice&)> on_failure;
  /// If this many first items of a stage all fail, the run ends as failed when the stage receives
  /// another item: its configuration, plugin or input is wrong. 0: the run always continues.
  /// Absent: `give_up_after` of the pipeline file, or else kUsualGiveUpAfter.
  std::optional<std::uint64_t> give_up_after;
  static constexpr std::uint64_t kUsualGiveUpAfter = 100;
  /// Called about ten times per second, on the runner's thread, with the counters so far.
  std::function<void(const RunReport&)> on_progress;
  /// May be set from any thread or signal handler: 1 drains (sources stop, items in flight finish;
  /// a reduce whose input was cut short produces no result), 2 cancels.
  const std::atomic<int>* stop = nullptr;
  /// Controls the run; null if not needed. One control serves one run: a second run with it fails
  /// immediately.
  std::shared_ptr<RunControl> control = {};
  std::size_t max_reported_failures = 1000;
  /// Used by one run only; null if the pipeline has no such source or sink.
  std::shared_ptr<ByteInput> input = {};
  std::shared_ptr<ByteOutput> output = {};
};

/// Runs a pipeline to its end and returns the report. Failed items are reported and the run
/// continues, subject to RunOptions::give_up_after. Blocks. [any-thread]
[[nodiscard]] RunReport run_pipeline(Runtime& runtime, const Graph& graph, const RunOptions& options = {});

}  // namespace tenon
