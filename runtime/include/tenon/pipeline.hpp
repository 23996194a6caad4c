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

#include <tenon/catalog.hpp>
#include <tenon/error.hpp>
#include <tenon/runtime.hpp>

namespace tenon {

enum class Severity { kError, kWarning, kNote };

/// One message about a pipeline file.
struct Diagnostic {
  Severity severity = Severity::kError;
  std::string file;
  std::uint32_t line = 0;    ///< From 1; 0 when there is no place.
  std::uint32_t column = 0;  ///< From 1, in bytes.
  std::uint32_t length = 1;  ///< Bytes the caret underlines.
  std::string message;
  std::string hint;  ///< "did you mean ..." or what to do; may be empty.
  std::string source_line;
};

/// All messages of one load, in the order of the file.
struct Diagnostics {
  std::vector<Diagnostic> items;
  [[nodiscard]] bool has_errors() const noexcept;
  /// `file:line:col: error: message`, the source line, a caret, hints; with ANSI colors on request.
  [[nodiscard]] std::string to_text(bool color = false) const;
  [[nodiscard]] std::string to_json() const;
};

struct LoadOptions {
  /// `--set key=value`: dotted key in the file, and a TOML value (or, failing that, a string).
  std::vector<std::pair<std::string, std::string>> overrides;
  /// Looks up environment values; empty: the process's own.
  std::function<std::optional<std::string>(const std::string&)> environment;
  /// Graph::load reads a fifo or a character device too, to its end: for names a user gave (`/dev/stdin`,
  /// `<(command)`).
  bool streams = false;
};

enum class GraphFormat { kDot, kMermaid, kJson };

/// A checked pipeline: every name resolved, every edge's types agree, params encoded. Immutable; copies share.
class Graph {
 public:
  /// Reads and checks a file. nullopt when `diagnostics` has errors; warnings may be there in any case.
  [[nodiscard]] static std::optional<Graph> load(const std::filesystem::path& file, const Catalog& catalog,
                                                 const LoadOptions& options, Diagnostics& diagnostics);
  /// The same for text; `name` stands for the file in messages.
  [[nodiscard]] static std::optional<Graph> parse(std::string_view text, std::string_view name, const Catalog& catalog,
                                                  const LoadOptions& options, Diagnostics& diagnostics);
  [[nodiscard]] std::string to_text(GraphFormat format) const;
  [[nodiscard]] const std::string& name() const noexcept;
  /// Plugin settings the file gives, for RuntimeOptions::plugin_settings.
  [[nodiscard]] const std::map<std::string, Buffer>& plugin_settings() const noexcept;
  /// Whether the graph, running or not, would go on with another version of one of its plugins; for
  /// HotSwapOptions::admit. Errors, kIncompatible: a version outside the file's pin, with the place of the pin; a task
  /// that the graph uses is missing or of another kind; params, settings or a source's argument that the file gives,
  /// or an edge, would not be understood. A plugin that the graph does not use is admitted. [any-thread]
  [[nodiscard]] Result<void> admits(const PluginInfo& candidate) const;

  struct Impl;
  [[nodiscard]] const Impl& impl() const noexcept { return *impl_; }

 private:
  explicit Graph(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
};

/// Counts of one stage, source or sink. At every moment
///   items_in = items_out + failed + dropped + in_flight + queued
/// holds for whatever answers items one by one; for batch, reduce and sinks that collect, `grouped` stands in the place
/// of items_out. A plain sink counts an item as out once its task has taken it. In the final report in_flight and
/// queued are zero unless the run was cancelled or failed.
struct StageReport {
  std::string name;
  std::string task;             ///< Empty for route and batch.
  std::string kind;             ///< "source", "map", "route", "batch", "reduce" or "sink".
  std::uint64_t items_in = 0;   ///< Accepted into the input queue; 0 for sources.
  std::uint64_t items_out = 0;  ///< Given on; an item that goes to several consumers counts once.
  std::uint64_t grouped = 0;    ///< Batch, reduce and collecting sinks: items that went into a result.
  std::uint64_t failed = 0;
  std::uint64_t retried = 0;  ///< Attempts beyond the first that the pipeline made itself.
  /// Asked for by the file, as in a route's ignored case; or taken for a result that an interrupted run does not give.
  std::uint64_t dropped = 0;
  std::uint64_t in_flight = 0;
  std::uint64_t queued = 0;
  /// Sources: how many items they will give in all, as their task reports by `progress`; 0 when unknown.
  std::uint64_t expected_items = 0;
  bool ended = false;  ///< Nothing further comes out of it.
  /// Why a result is missing, as after an interrupt; empty when none is.
  std::string note;
  double busy_seconds = 0;
};

/// One item that failed for good.
struct ItemFailure {
  std::string stage;
  std::string item;  ///< What identifies it: the path, the origin, or its number.
  Error error;
};

struct RunReport {
  enum class End {
    kDone,
    kInterrupted,
    kFailed,
    kRunning,  ///< Not over: in what RunControl::report and RunOptions::on_progress give.
  };
  End end = End::kDone;
  std::vector<StageReport> stages;
  std::vector<ItemFailure> failures;  ///< The first RunOptions::max_reported_failures.
  std::uint64_t failure_count = 0;
  std::optional<Error> error;  ///< Why the run as a whole failed.
  double seconds = 0;
  std::vector<std::pair<std::string, Reply>> outputs;  ///< Results of collecting sinks, by sink name.
  /// Everything but the outputs' bytes, which are given by size.
  [[nodiscard]] std::string to_json() const;
};

namespace internal {
class Steering;
}

/// Steers one run from outside and looks at it:
///
///   auto control = std::make_shared<tenon::RunControl>();
///   std::thread runner([&] { tenon::run_pipeline(runtime, graph, {.control = control}); });
///   control->pause();
///
/// All members are [any-thread], return at once and wake the run, so what is asked for takes effect at once. What is
/// asked for before the run begins holds from its first moment. What is asked for after its end does nothing.
class RunControl {
 public:
  enum class State : std::uint8_t {
    kReady,       ///< Has not begun.
    kRunning,     ///< Goes on.
    kPausing,     ///< Begins nothing new; something still runs.
    kPaused,      ///< Nothing runs and nothing begins.
    kDraining,    ///< Sources have stopped; what is in flight is finished.
    kCancelling,  ///< What still runs is being ended.
    kEnded,       ///< The run is over; `report` has all of it.
  };

  RunControl();
  RunControl(const RunControl&) = delete;
  RunControl& operator=(const RunControl&) = delete;
  ~RunControl();

  /// Sources and stages begin nothing new; calls, steps and batches that run are finished, and their results wait. A
  /// time-out of what runs goes on; `max_wait` of a batch that is being gathered stands still.
  void pause();
  /// Ends a pause.
  void resume();
  /// Sources stop and what is in flight is finished, as RunOptions::stop = 1. Ends a pause, since a paused run would
  /// never be through; a pause that is asked for afterwards holds until it is resumed.
  void drain();
  /// Ends the run at once, as RunOptions::stop = 2.
  void cancel();
  [[nodiscard]] State state() const;
  /// Counts so far, at most some 100 ms old; exact when paused and after the end. No stages before the begin. Costs a
  /// copy and does not disturb the run.
  [[nodiscard]] RunReport report() const;

  [[nodiscard]] internal::Steering& steering() const noexcept { return *steering_; }

 private:
  std::unique_ptr<internal::Steering> steering_;
};
/// "ready", "running" ... Valid for ever.
[[nodiscard]] std::string_view run_state_name(RunControl::State state) noexcept;
/// "done", "interrupted" ... Valid for ever.
[[nodiscard]] std::string_view run_end_name(RunReport::End end) noexcept;

/// Items that failed at one stage for one kind of reason.
struct FailureNotice {
  std::string stage;
  ErrorCode code = ErrorCode::kFailed;
  std::uint64_t count = 0;  ///< Since the notice before of this stage and code.
  std::uint64_t total = 0;  ///< Of this stage and code, since the start of the run.
  std::string item;         ///< The latest of them, as in ItemFailure.
  Error error;              ///< Of that one.
};

struct RunOptions {
  /// Called while items fail, on the runner's thread: at once for the first failure of a stage and error code, then
  /// once in some seconds with the count of those since, and at the end of the run with what is left.
  std::function<void(const FailureNotice&)> on_failure;
  /// A stage whose first items have all failed, this many, ends the run as failed when it is given another one: its
  /// configuration, its plugin or its input is wrong. 0: the run always continues. Absent: `give_up_after` of the
  /// pipeline file, or else kUsualGiveUpAfter.
  std::optional<std::uint64_t> give_up_after;
  static constexpr std::uint64_t kUsualGiveUpAfter = 100;
  /// Called some ten times a second, on the runner's thread, with counts so far.
  std::function<void(const RunReport&)> on_progress;
  /// Set from anywhere (a signal handler too): 1 drains (sources stop, items in flight finish; a reduce whose input was
  /// cut short gives no result), 2 cancels.
  const std::atomic<int>* stop = nullptr;
  /// Steers the run; null when nobody does. One control steers one run: a second one with it fails at once.
  std::shared_ptr<RunControl> control = {};
  std::size_t max_reported_failures = 1000;
};

/// Runs a pipeline to its end and returns what happened. Items that fail are reported and the run continues, but for
/// RunOptions::give_up_after. Blocks.
/// [any-thread]
[[nodiscard]] RunReport run_pipeline(Runtime& runtime, const Graph& graph, const RunOptions& options = {});

}  // namespace tenon
