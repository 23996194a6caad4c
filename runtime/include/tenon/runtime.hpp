/// tenon/runtime.hpp: runs tasks of plugins, by name, in worker processes.
///
///   auto runtime = tenon::Runtime::start({.workers = 4, .plugin_dirs = {"build/plugins"}});
///   flatbuffers::FlatBufferBuilder argument;
///   argument.Finish(tenon::CreateFileDirect(argument, "README.md"));
///   auto counts = runtime->call<text::Counts>("text.count", argument);
///   if (counts) std::cout << (*counts)->lines() << '\n';
///
/// A runtime may be started anywhere: in main, in a library, in a static initialiser, inside a task; several at
/// once are fine. Workers are processes of their own executable, tenon-worker; nothing of the host's program is
/// run again, forked or loaded there.
#pragma once

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

#include <flatbuffers/flatbuffers.h>

#include <tenon/argument.hpp>
#include <tenon/bytes.hpp>
#include <tenon/catalog.hpp>
#include <tenon/error.hpp>
#include <tenon/future.hpp>
#include <tenon/log.hpp>
#include <tenon/reply.hpp>
#include <tenon/swap.hpp>

namespace tenon {

/// What `submit` does when the queue is full.
enum class Overflow {
  kBlock,   ///< Waits until there is room (or until CallOptions::queue_timeout).
  kReject,  ///< Fails the call at once with kRejected.
};

struct RuntimeOptions {
  /// Worker processes; 0 for one per core. More workers run more calls at once and hold more memory.
  unsigned workers = 0;
  /// Where plugins are looked for; see CatalogOptions.
  std::vector<std::filesystem::path> plugin_dirs = {};
  /// A catalog opened before, instead of plugin_dirs; hot_swap then looks there for changes, or beside its files.
  std::optional<Catalog> catalog = {};
  /// The tenon-worker to run. Empty: $TENON_WORKER, beside the running executable, the library's own build or
  /// install place, in this order.
  std::filesystem::path worker_executable = {};
  /// See CatalogOptions. Its directory `store` also keeps the versions of plugin files that runtimes began with, unless
  /// HotSwapOptions names another: workers load from there, or from memory where it cannot be used, so that a
  /// plugin file may be overwritten or removed meanwhile.
  std::filesystem::path cache_dir = {};
  /// What a plugin may take while it is loaded: the usual limits, and those of single plugins by name. A `catalog` that
  /// is given has inspected its plugins within limits of its own (CatalogOptions); give both the same.
  PluginLimits plugin_limits = {};
  std::map<std::string, PluginLimits> limits_of_plugins = {};
  /// The limits of one plugin.
  [[nodiscard]] const PluginLimits& limits_for(const std::string& plugin) const {
    const auto found = limits_of_plugins.find(plugin);
    return found == limits_of_plugins.end() ? plugin_limits : found->second;
  }
  /// Settings of plugins by plugin name: a FlatBuffer of the plugin's settings table, given to its `init` in each
  /// worker.
  std::map<std::string, Buffer> plugin_settings = {};

  /// Calls accepted but not finished, at most. A higher bound costs some 100 bytes a call.
  std::uint64_t max_queued_calls = std::uint64_t{1} << 24;
  /// Bytes of arguments accepted but not finished, at most.
  std::uint64_t max_queued_bytes = std::uint64_t{4} << 30;
  Overflow overflow = Overflow::kBlock;

  /// Shared memory for arguments beyond the size that travels in the ring, in bytes of address space; memory is taken
  /// as it is used.
  std::uint64_t argument_arena_bytes = std::uint64_t{1} << 30;
  /// The same for the results of each worker.
  std::uint64_t result_arena_bytes = std::uint64_t{1} << 30;
  /// Arguments from 1 MiB on lie in blocks of their own. Those that no call uses just now are kept for the next, up to
  /// so many bytes and an eighth of the machine's memory, for some seconds: taking fresh memory from the system costs
  /// five times the copy into it. 0: none is kept.
  std::uint64_t large_block_cache_bytes = std::uint64_t{1} << 30;
  /// Limit of a worker's memory in bytes: private, and shared such as results, not arguments (host/DESIGN.md). 0: none.
  std::uint64_t worker_memory_limit_bytes = 0;
  /// A worker that has run this many calls is replaced by a fresh one, for plugins that leak or age. Calls that it has
  /// not begun go elsewhere; its sessions move as in a swap. Steps of sessions count as calls. Exact for single calls;
  /// of map, where a worker takes many calls at a time, some more may run. 0: never.
  std::uint64_t recycle_after_calls = 0;
  /// A worker that uses more memory than this many bytes (counted as for worker_memory_limit_bytes) is replaced by a
  /// fresh one once it has ended the call that it runs. It is measured while there are calls, about once a second, so
  /// this bounds what stays and not what a call takes. 0: never.
  std::uint64_t recycle_above_bytes = 0;
  /// Variables that a worker starts with, beside those of the host's environment. `index` is the lowest number that no
  /// living worker of the runtime has: below `workers`, except while workers are being replaced. Each worker also finds
  /// it as TENON_WORKER_INDEX. Called on a thread of the runtime for each worker that starts; must not throw.
  using WorkerEnvironment = std::vector<std::pair<std::string, std::string>>;
  std::function<WorkerEnvironment(unsigned index)> worker_environment = {};
  /// Copies every result into host memory as soon as it is there, so that no result occupies its worker's memory. By
  /// default a large result is copied when the host first reads it (see Reply::bytes), and not if it only goes into
  /// another call.
  bool copy_results = false;

  /// How long a cancelled or late call may go on before its worker is killed.
  std::chrono::milliseconds cancel_grace{1000};
  /// How long shutdown(kDrain) waits for the accepted calls; it then goes on as kCancel. 0: at once.
  std::chrono::milliseconds drain_timeout{3'600'000};
  /// How long a worker may take from spawn to hand-shake. Once the runtime has started, also how long calls wait while
  /// no worker at all can be started (a process limit, a full machine) before they end as kUnavailable. A shorter time
  /// reports such a lack sooner, a longer one survives longer ones.
  std::chrono::milliseconds start_timeout{10000};

  /// How long a worker may begin nothing although it has work and runs none (it was stopped, frozen, or a plugin's
  /// thread blocks it) before it is replaced; what it had not begun runs elsewhere, uncharged. 0: never. Not while a
  /// debugger is attached to it. Its sessions are lost, so a shorter time replaces more workers on a machine that is
  /// overloaded; a longer one lets calls that have no other worker wait longer. With other workers, calls move on after
  /// some 50 ms.
  std::chrono::milliseconds stall_timeout{3000};

  /// Gets every log line; empty: lines are dropped.
  LogSink log = {};

  /// Makes plugins swappable. Workers then load copies from a store, and the files in plugin_dirs may be overwritten at
  /// any time; the start takes longer by a copy of each plugin that the store does not have yet.
  std::optional<HotSwapOptions> hot_swap = std::nullopt;
};

/// Options of one call.
struct CallOptions {
  /// FlatBuffer of the task's params table; empty for its defaults. Copied.
  BytesView params = {};
  /// Higher runs first; calls of one priority run in the order of submission.
  int priority = 0;
  /// From submission to the end; none by default.
  std::optional<std::chrono::nanoseconds> timeout = std::nullopt;
  /// From submission to the begin of the first attempt; none by default.
  std::optional<std::chrono::nanoseconds> queue_timeout = std::nullopt;
  /// From the begin of an attempt to its end; none by default. Holds against a busy loop: the worker is killed.
  std::optional<std::chrono::nanoseconds> run_timeout = std::nullopt;
  /// Calls with the same non-empty key run on the same worker, one after another, as long as that worker lives.
  std::string affinity_key = {};
  /// Attempts of an idempotent task whose worker dies; others have one. 1 to 250.
  std::uint32_t max_attempts = 3;
};

struct MapOptions {
  CallOptions call = {};
  /// Calls in flight at most, which bounds memory; 0: as many as keep the workers busy, from 64 for each worker up to
  /// 4096 where calls are short. Those travel many at a time, also when `next` is quick alone.
  std::size_t window = 0;
  /// Results in the order of the arguments; false: as they come.
  bool ordered = true;
};

/// How a runtime ends.
enum class Shutdown {
  kDrain,         ///< Takes no new calls, finishes all accepted ones; after drain_timeout as kCancel.
  kDrainRunning,  ///< Cancels what is queued, finishes what runs; after drain_timeout as kCancel.
  kCancel,        ///< Cancels what is queued, lets what runs finish or be cancelled within cancel_grace.
  kKill,          ///< Kills the workers; open calls end as kCancelled.
};

/// Counts since the start and states now.
struct RuntimeStats {
  std::uint64_t submitted = 0;
  std::uint64_t succeeded = 0;
  std::uint64_t failed = 0;  ///< All terminal states but ok.
  std::uint64_t crashed_workers = 0;
  std::uint64_t queued = 0;
  std::uint64_t running = 0;
  struct Worker {
    std::uint64_t id = 0;
    std::int64_t pid = 0;
    std::uint64_t calls = 0;
    /// How long its calls ran lately, on average; 0 before the first.
    std::chrono::nanoseconds mean_run{};
  };
  std::vector<Worker> workers;
};

class Session;
class MapStream;
struct SessionOptions;

namespace internal {
struct RuntimeAccess;  // Starts runtimes over other launchers, for tests.
}

/// A pool of workers. Movable; the destructor is shutdown(kCancel). All members are [any-thread].
class Runtime {
 public:
  /// Finds plugins and starts the workers; returns when the first is ready. Errors: kUnavailable when no worker can be
  /// started (with what it wrote); those of Catalog::open; kInvalidArgument.
  [[nodiscard]] static Result<Runtime> start(RuntimeOptions options = {});

  Runtime(Runtime&&) noexcept;
  Runtime& operator=(Runtime&&) noexcept;
  ~Runtime();

  // -- untyped: a task's name and a FlatBuffer ------------------------------------------------

  /// Runs a task and waits for it. `argument` is copied into shared memory. Errors: every call ends in exactly one of
  /// ok, kFailed (or another code of the task's choice), kCancelled, kDeadline, kCrashed, kRejected; kNotFound for an
  /// unknown task.
  [[nodiscard]] Result<Reply> call(std::string_view task, BytesView argument, const CallOptions& options = {});
  /// As call, with an earlier result or a built argument, without a copy. One of another runtime is copied.
  [[nodiscard]] Result<Reply> call(std::string_view task, const Reply& argument, const CallOptions& options = {});
  /// The same without waiting. Destroying the future does not cancel the call. In a `co_await` expression give options
  /// by name, not as a temporary: GCC 12 copies temporary aggregates bit by bit there.
  [[nodiscard]] Future<Reply> submit(std::string_view task, BytesView argument, const CallOptions& options);
  [[nodiscard]] Future<Reply> submit(std::string_view task, BytesView argument) {
    return submit(task, argument, CallOptions());
  }
  /// As submit, with an earlier result or a built argument, without a copy. One of another runtime is copied.
  [[nodiscard]] Future<Reply> submit(std::string_view task, const Reply& argument, const CallOptions& options);
  [[nodiscard]] Future<Reply> submit(std::string_view task, const Reply& argument) {
    return submit(task, argument, CallOptions());
  }
  /// Memory to build an argument in, which is then given to calls without a copy; see tenon/argument.hpp. Errors:
  /// kOutOfMemory, kUnavailable with the limit that refused; kTooLarge.
  [[nodiscard]] Result<ArgumentBuilder> build_argument(std::size_t size_hint_bytes = 1024);
  /// Runs a task on each argument that `next` gives (nullopt ends) with a bounded number in flight. `next` is called on
  /// the thread that asks the stream for results. Bytes it gives are valid until its next call.
  [[nodiscard]] MapStream map(std::string_view task, std::function<std::optional<BytesView>()> next,
                              const MapOptions& options = {});
  /// Opens a session of a streaming task on a worker.
  [[nodiscard]] Future<Session> open(std::string_view task, const SessionOptions& options);

  // -- typed: R is the generated result table -------------------------------------------------

  /// `argument` is finished. Errors: as call; kCorrupt when the result does not verify.
  template <typename R>
  [[nodiscard]] Result<TypedReply<R>> call(std::string_view task, const flatbuffers::FlatBufferBuilder& argument,
                                           const CallOptions& options = {}) {
    return call(task, BytesView(argument.GetBufferPointer(), argument.GetSize()), options)
        .and_then(TypedReply<R>::verify);
  }
  /// The same with an earlier result or a built argument.
  template <typename R>
  [[nodiscard]] Result<TypedReply<R>> call(std::string_view task, const Reply& argument,
                                           const CallOptions& options = {}) {
    return call(task, argument, options).and_then(TypedReply<R>::verify);
  }
  /// The typed form of submit.
  template <typename R>
  [[nodiscard]] Future<TypedReply<R>> submit(std::string_view task, const flatbuffers::FlatBufferBuilder& argument,
                                             const CallOptions& options) {
    return submit(task, BytesView(argument.GetBufferPointer(), argument.GetSize()), options)
        .then([](Result<Reply> reply) { return std::move(reply).and_then(TypedReply<R>::verify); });
  }
  template <typename R>
  [[nodiscard]] Future<TypedReply<R>> submit(std::string_view task, const flatbuffers::FlatBufferBuilder& argument) {
    return submit<R>(task, argument, CallOptions());
  }

  // -- the rest -------------------------------------------------------------------------------

  // -- hot swap (tenon/swap.hpp) ----------------------------------------------------------------

  /// Makes another version of a plugin the current one and waits until it is; the old version serves meanwhile, and
  /// goes on when the new one is refused. `what`: "image", for what its file holds now; "image@1.3.0", for that version
  /// among the catalog's directories and earlier generations; or the path of a file. Swaps of one plugin come one after
  /// another; of several that wait, the newest alone is made and the others end as kCancelled. Errors: kUnsupported
  /// without RuntimeOptions::hot_swap; kNotFound no such plugin or version; kIncompatible a break of the schema, ABI or
  /// pin; kRejected quarantined, untrusted or turned back by the canary; kCorrupt, kCrashed, kDeadline by the trial;
  /// kIo.
  [[nodiscard]] Result<SwapReport> swap(std::string_view what, const SwapOptions& options = {});
  /// Makes the generation before the current one current again. This runtime, and later ones of its
  /// HotSwapOptions::instance, do not load the content of the one that goes again unless they are forced to; other
  /// runtimes do. While a version is on trial it turns that one back instead, which then never becomes current.
  /// `reason` stands in the event. Errors: kNotFound no such plugin or nothing before it; kUnsupported;
  /// those of swap.
  [[nodiscard]] Result<SwapReport> rollback(std::string_view plugin, std::string_view reason = {});
  /// All generations of all plugins, the newest first; of those that are over, the latest 32 of each plugin. None
  /// without RuntimeOptions::hot_swap, as there are no events then.
  [[nodiscard]] std::vector<GenerationInfo> generations() const;
  /// The latest 1024 events with a number above `number`, in order; 0 for all that are kept.
  [[nodiscard]] std::vector<SwapEvent> events_since(std::uint64_t number) const;
  /// Calls `listener` for each event from now on, one after another, on a thread of the runtime. It may call the
  /// runtime, but not swap or rollback, and must not throw.
  [[nodiscard]] EventSubscription on_event(std::function<void(const SwapEvent&)> listener);

  /// Ends the runtime; further calls are rejected. Returns when no worker is left. May be called twice.
  void shutdown(Shutdown how = Shutdown::kDrain);
  /// What calls go to now; empty after the runtime has been moved away.
  [[nodiscard]] Catalog catalog() const;
  [[nodiscard]] unsigned worker_count() const noexcept;
  [[nodiscard]] RuntimeStats stats() const;

  class Impl;

 private:
  friend struct internal::RuntimeAccess;
  explicit Runtime(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

/// Results of Runtime::map, one at a time. Move-only; one thread at a time. Destroying it cancels what is queued.
class MapStream {
 public:
  struct Item {
    std::uint64_t index = 0;  ///< Of the argument, from 0.
    Result<Reply> reply;
  };
  MapStream(MapStream&&) noexcept;
  MapStream& operator=(MapStream&&) noexcept;
  ~MapStream();
  /// The next result; nullopt after the last. Blocks.
  [[nodiscard]] std::optional<Item> next();

  class Impl;

 private:
  friend class Runtime;
  explicit MapStream(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

struct SessionOptions {
  /// FlatBuffer of the params table; empty for its defaults. Copied.
  BytesView params = {};
  /// A source's argument. Copied.
  BytesView argument = {};
  /// What Session::checkpoint gave for an earlier session of this task; empty for a fresh one. Copied.
  BytesView checkpoint = {};
  /// From the start of each step (also open and checkpoint, with the load of the plugin) to its end; none by default.
  /// As CallOptions::run_timeout: a step that runs longer ends as kDeadline, its worker is killed if it does not stop
  /// within cancel_grace, and then the session is lost.
  std::optional<std::chrono::nanoseconds> step_timeout = std::nullopt;
};

/// An open session of a source or a reduce, pinned to one worker, which it occupies only while a step runs. One
/// operation at a time; [any-thread]. Move-only; the destructor closes it. When its worker dies, every operation ends
/// as kCrashed; open a new one from the last checkpoint. ErrorContext::charged says whether the worker died in that
/// very operation.
class Session {
 public:
  struct Batch {
    std::vector<Reply> results;
    bool ended = false;  ///< No further results come.
    /// From which a new session continues exactly behind `results`, if `next` asked for it, the session has not ended,
    /// and the task gives checkpoints that take little time compared with its steps. Empty otherwise.
    Reply checkpoint;
  };
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;
  ~Session();
  /// Sources: up to `max_results` next results (at least one unless it must wait or has ended).
  /// `with_checkpoint` asks for Batch::checkpoint.
  [[nodiscard]] Future<Batch> next(std::uint32_t max_results, bool with_checkpoint = false);
  /// Reduces: gives arguments, in order; without a copy where they are results of earlier calls.
  [[nodiscard]] Future<void> feed(const std::vector<Reply>& arguments);
  /// Reduces: no more arguments; the result. The session has then ended.
  [[nodiscard]] Future<Reply> finish();
  /// Bytes from which a new session goes on exactly here. Errors: kUnsupported.
  [[nodiscard]] Future<Reply> checkpoint();

  class Impl;

 private:
  friend class Runtime;
  explicit Session(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tenon
