/// tenon/options.hpp: the options of a runtime, of its calls, maps and sessions, and the counts that it gives. Part of
/// tenon/runtime.hpp.
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

}  // namespace tenon
