/// tenon/options.hpp: options of a runtime, its calls, maps and sessions, and its statistics. Part
/// of tenon/runtime.hpp.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <tenon/bytes.hpp>
#include <tenon/catalog.hpp>
#include <tenon/log.hpp>
#include <tenon/swap.hpp>

namespace tenon {

/// Behaviour of `submit` when the queue is full.
enum class Overflow {
  kBlock,   ///< Waits until there is room (or until CallOptions::queue_timeout).
  kReject,  ///< Fails the call immediately with kRejected.
};

struct RuntimeOptions {
  /// Number of worker processes; 0 for one per core. More workers run more calls in parallel and
  /// use more memory.
  unsigned workers = 0;
  /// Directories to search for plugins; see CatalogOptions.
  std::vector<std::filesystem::path> plugin_dirs = {};
  /// An already opened catalog, instead of plugin_dirs; hot_swap then watches the catalog's directories, or those of
  /// its files, for changes.
  std::optional<Catalog> catalog = {};
  /// The tenon-worker to run. Empty: $TENON_WORKER, then beside the running executable, then the
  /// library's build or install directory.
  std::filesystem::path worker_executable = {};
  /// See CatalogOptions. Its subdirectory `store` also holds the plugin files that runtimes started
  /// with, unless HotSwapOptions names another store. Workers load from there (or from memory if it
  /// cannot be used), so a plugin file may be overwritten or removed meanwhile.
  std::filesystem::path cache_dir = {};
  /// Limits on plugins while they are loaded: the default, and those of single plugins by name. An
  /// explicit `catalog` has already inspected its plugins within its own limits (CatalogOptions);
  /// set both to the same values.
  PluginLimits plugin_limits = {};
  std::map<std::string, PluginLimits> limits_of_plugins = {};
  /// The limits of one plugin.
  [[nodiscard]] const PluginLimits& limits_for(const std::string& plugin) const {
    const auto found = limits_of_plugins.find(plugin);
    return found == limits_of_plugins.end() ? plugin_limits : found->second;
  }
  /// Plugin settings by plugin name: a FlatBuffer of the plugin's settings table, passed to its
  /// `init` in each worker.
  std::map<std::string, Buffer> plugin_settings = {};

  /// Maximum number of accepted, unfinished calls. A higher limit costs about 100 bytes per call.
  std::uint64_t max_queued_calls = std::uint64_t{1} << 24;
  /// Maximum number of argument bytes of accepted, unfinished calls.
  std::uint64_t max_queued_bytes = std::uint64_t{4} << 30;
  Overflow overflow = Overflow::kBlock;

  /// Shared memory for arguments that are too large for the ring, in bytes of address space;
  /// physical memory is used on demand.
  std::uint64_t argument_arena_bytes = std::uint64_t{1} << 30;
  /// The same for the results, per worker.
  std::uint64_t result_arena_bytes = std::uint64_t{1} << 30;
  /// Arguments of 1 MiB or more use separate blocks. Idle blocks are cached for reuse for a few
  /// seconds, up to this many bytes and at most one eighth of physical memory: fresh memory from
  /// the system costs five times as much as the copy into it. 0: no cache.
  std::uint64_t large_block_cache_bytes = std::uint64_t{1} << 30;
  /// Memory limit of a worker in bytes. Counts private memory and shared memory such as results,
  /// but not arguments (host/DESIGN.md). 0: no limit.
  std::uint64_t worker_memory_limit_bytes = 0;
  /// Replaces a worker after this many calls, for plugins that leak or degrade over time. Calls it
  /// has not started run on other workers; its sessions move as in a swap. Steps of sessions count
  /// as calls. Exact for single calls; with map, where a worker takes many calls at a time, it may
  /// run a few more. 0: never.
  std::uint64_t recycle_after_calls = 0;
  /// Replaces a worker that uses more than this many bytes of memory (counted as for
  /// worker_memory_limit_bytes) once it has finished its current call. Memory is measured about
  /// once per second while there are calls, so this bounds retained memory, not the peak of one
  /// call. 0: never.
  std::uint64_t recycle_above_bytes = 0;
  /// Environment variables for a worker, in addition to the host's environment. `index` is the
  /// lowest number not used by a living worker of the runtime: below `workers`, except while
  /// workers are being replaced. Each worker also finds it in TENON_WORKER_INDEX. Called on a
  /// thread of the runtime for each worker that starts; must not throw.
  using WorkerEnvironment = std::vector<std::pair<std::string, std::string>>;
  std::function<WorkerEnvironment(unsigned index)> worker_environment = {};
  /// Copies every result into host memory on arrival, so that no result occupies its worker's
  /// memory. By default a large result is copied when the host first reads it (see Reply::bytes),
  /// and not at all if it is only passed to another call.
  bool copy_results = false;

  /// How long a cancelled or overdue call may keep running before its worker is killed.
  std::chrono::milliseconds cancel_grace{1000};
  /// How long shutdown(kDrain) waits for the accepted calls before it continues as kCancel. 0: not
  /// at all.
  std::chrono::milliseconds drain_timeout{3'600'000};
  /// Time limit for a worker from spawn to handshake. After the start of the runtime it is also how
  /// long calls wait while no worker can be started (a process limit, an overloaded machine) before
  /// they end as kUnavailable. A shorter limit reports such a condition sooner; a longer one
  /// survives longer outages.
  std::chrono::milliseconds start_timeout{10000};

  /// A worker that has work but runs none for this long (stopped, frozen, or blocked by a plugin's
  /// thread) is replaced; calls it had not started run on other workers, uncharged. 0: never.
  /// Ignored while a debugger is attached to it. The sessions of a replaced worker are lost, so a
  /// shorter time loses more of them on an overloaded machine; a longer one delays calls that have
  /// no other worker. Calls move to other workers, if there are any, after about 50 ms.
  std::chrono::milliseconds stall_timeout{3000};

  /// Receives every log line; empty: lines are dropped.
  LogSink log = {};

  /// Enables hot swap. Workers then load copies from a store, and the files in plugin_dirs may be
  /// overwritten at any time; the start takes longer because each plugin that is not in the store
  /// yet is copied.
  std::optional<HotSwapOptions> hot_swap = std::nullopt;
};

/// Options of one call.
struct CallOptions {
  /// FlatBuffer of the task's params table; empty for the default. Copied.
  BytesView params = {};
  /// Calls with higher priority run first; calls of equal priority run in order of submission.
  int priority = 0;
  /// From submission to completion; none by default.
  std::optional<std::chrono::nanoseconds> timeout = std::nullopt;
  /// From submission to the start of the first attempt; none by default.
  std::optional<std::chrono::nanoseconds> queue_timeout = std::nullopt;
  /// From the start of an attempt to its end; none by default. Also stops a busy loop: the worker
  /// is killed.
  std::optional<std::chrono::nanoseconds> run_timeout = std::nullopt;
  /// Calls with the same non-empty key run on the same worker, one after another, as long as that
  /// worker lives.
  std::string affinity_key = {};
  /// Attempts for an idempotent task whose worker dies; other tasks get one. 1 to 250.
  std::uint32_t max_attempts = 3;
};

struct MapOptions {
  CallOptions call = {};
  /// Maximum number of calls in flight, which bounds memory; 0: as many as keep the workers busy,
  /// from 64 per worker up to 4096 for short calls. Short calls travel in batches, but only if
  /// `next` is fast too.
  std::size_t window = 0;
  /// true: results in the order of the arguments; false: in order of completion.
  bool ordered = true;
};

struct SessionOptions {
  /// FlatBuffer of the params table; empty for its defaults. Copied.
  BytesView params = {};
  /// A source's argument. Copied.
  BytesView argument = {};
  /// A checkpoint from Session::checkpoint of an earlier session of this task; empty for a fresh
  /// one. Copied.
  BytesView checkpoint = {};
  /// Time limit of each step (also of open and checkpoint, including loading the plugin); none by
  /// default. As CallOptions::run_timeout: a longer step ends as kDeadline; if it does not stop
  /// within cancel_grace, its worker is killed and the session is lost.
  std::optional<std::chrono::nanoseconds> step_timeout = std::nullopt;
};

/// How a runtime shuts down.
enum class Shutdown {
  kDrain,         ///< Rejects new calls, finishes accepted ones; after drain_timeout as kCancel.
  kDrainRunning,  ///< Cancels queued calls, finishes running ones; after drain_timeout as kCancel.
  kCancel,        ///< Cancels queued calls; running ones may finish or stop within cancel_grace.
  kKill,          ///< Kills the workers; unfinished calls end as kCancelled.
};

/// Counters since the start, and current states.
struct RuntimeStats {
  std::uint64_t submitted = 0;
  std::uint64_t succeeded = 0;
  std::uint64_t failed = 0;  ///< All terminal states except ok.
  std::uint64_t crashed_workers = 0;
  std::uint64_t queued = 0;
  std::uint64_t running = 0;
  struct Worker {
    std::uint64_t id = 0;
    std::int64_t pid = 0;
    std::uint64_t calls = 0;
    /// Average run time of its recent calls; 0 before the first.
    std::chrono::nanoseconds mean_run{};
  };
  std::vector<Worker> workers;
};

}  // namespace tenon
