/// tenon/swap.hpp: replaces plugins while the runtime keeps running.
///
///   auto runtime = tenon::Runtime::start(
///       {.plugin_dirs = {"build/plugins"}, .hot_swap = tenon::HotSwapOptions{}});
///   auto report = runtime->swap("image");  // the file has changed: run its current content
///   if (!report) std::cerr << report.error().to_string() << '\n';  // the old version continues
///   runtime->rollback("image", "thumbnails are too dark");
///
/// One version of one plugin in one runtime is a *generation*. Its code lives in worker processes:
/// a swap starts new workers beside the old ones, switches the routing atomically, and lets the old
/// workers finish what they run.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <tenon/catalog.hpp>
#include <tenon/error.hpp>

namespace tenon {

/// How a swap is made, and what causes a roll-back. Rates are fractions of calls, 0 to 1.
struct SwapOptions {
  /// Swaps even if the new schema breaks the old one; queued calls then still run on the old
  /// version. For a file named by its path, also swaps to a content that is in quarantine or was
  /// rolled back; SwapReport::overridden lists what was overridden.
  bool force = false;

  /// Fraction of the calls of idempotent tasks that run on the new version before it becomes
  /// current; 0: no canary.
  double canary_share = 0;
  /// Runs calls of idempotent tasks on both versions, replies with the old one's results and
  /// compares both results field by field. Each call costs double. The fraction is canary_share, or
  /// all calls if that is 0.
  bool shadow = false;
  /// A canary or shadow succeeds after this many calls ...
  std::uint64_t canary_calls = 200;
  /// ... or after this time, with however many calls there were; SwapReport::untried reports that
  /// there were none.
  std::chrono::milliseconds canary_time{10'000};

  /// After it becomes current, the new version is monitored for this long; if it exceeds a limit
  /// below, it is rolled back automatically. 0: not monitored.
  std::chrono::milliseconds probation{30'000};
  /// Limits for canary and probation. Rate of calls that crash their worker: at most this much
  /// above the old version's. A call is counted once, at its first attempt.
  double max_crash_rate = 0.01;
  /// Rate of errors: at most this much above the old version's.
  double max_error_rate_increase = 0.05;
  /// p99 of the run time: at most this many times the old version's, once both have run 100 calls.
  /// 0: no limit. Applies only to canaries and shadows.
  double max_p99_ratio = 3.0;

  /// Time limit for each of staging, inspection and warm-up; 0: the plugin's
  /// PluginLimits::start_timeout.
  std::chrono::milliseconds step_timeout{0};
  /// Sessions that cannot move to the new version stay on the old one for this long, then end as
  /// kUnavailable. A swap never ends plain calls.
  std::chrono::milliseconds session_drain{60'000};
};

/// Enables plugin swaps in a runtime.
struct HotSwapOptions {
  /// Directory for copies of plugin files, by content; several hosts of one user may share it.
  /// Workers load only from there. Empty: $XDG_CACHE_HOME/tenon/store or ~/.cache/tenon/store.
  std::filesystem::path store_dir = {};
  /// Identifies this runtime in the store across restarts, as `tenon serve` does by its socket. The
  /// next runtime of that name starts with the versions that were current in this one, whatever the
  /// plugin files contain by then, and remembers what was rolled back. A watch picks up plugin
  /// files that have changed in between. Empty: each start uses the plugin files' content, except
  /// for content that was rolled back in a runtime of this program with these plugin directories.
  std::string instance = {};
  /// Limits of the store. Files in use are never evicted.
  std::uint64_t max_store_bytes = std::uint64_t{4} << 30;
  std::size_t max_store_files = 256;

  /// Watches the catalog's directories and swaps changed plugins, as `swaps` says.
  bool watch = false;
  /// How long a changed file must have been quiet.
  std::chrono::milliseconds debounce{50};
  /// All directories are rescanned at this interval to catch missed events.
  std::chrono::milliseconds rescan{10'000};
  /// Options of the watch's swaps.
  SwapOptions swaps = {};
  /// May refuse a version before it is inspected, with a reason: a pipeline's version pin, an
  /// allowlist. The candidate's version and schema come from its manifest; none of its code has
  /// run. A refusal as kUnavailable is retried at the next rescan. Must not throw. [any-thread]
  std::function<Result<void>(const PluginInfo& candidate)> admit = {};
};

/// State of a generation.
enum class GenerationState : std::uint8_t {
  kTrial,     ///< Staged; being inspected, compared or warmed up.
  kCanary,    ///< Runs a fraction of the calls, or shadows.
  kCurrent,   ///< Receives the calls.
  kDraining,  ///< Finishes its running calls.
  kRetired,   ///< Has no workers; a roll-back may restore it while its file is in the store.
  kRefused,   ///< Did not become current; `reason` says why.
};
/// "trial", "canary", ... Valid for the life of the process.
[[nodiscard]] std::string_view generation_state_name(GenerationState state) noexcept;

/// One version of one plugin in one runtime.
struct GenerationInfo {
  std::uint64_t number = 0;  ///< Unique in the runtime, increasing; 0 if refused before it got one.
  std::string plugin;
  std::string version;
  std::string sha256;
  std::filesystem::path source;  ///< The file it was staged from.
  GenerationState state = GenerationState::kTrial;
  std::chrono::system_clock::time_point since;  ///< Start of the state.
  /// Why it was refused, forced or rolled back; otherwise empty.
  std::string reason;
  /// Why the current one is served although its plugin's file has other content, or whether what
  /// was kept out at the start may come now; otherwise empty.
  std::string note;
  std::uint32_t workers = 0;       ///< Workers that have it loaded now.
  std::uint64_t calls = 0;         ///< Calls that ended on it.
  std::uint64_t failed = 0;        ///< Those that ended with an error of the task.
  std::uint64_t crashed = 0;       ///< Those whose worker died.
  std::chrono::nanoseconds p99{};  ///< p99 run time of the latest few hundred calls; 0 if none.
};

/// The outcome of a swap.
struct SwapReport {
  GenerationInfo now;     ///< Current now.
  GenerationInfo before;  ///< Current before.
  /// What `force` overrode: schema breaks, a quarantine, a roll-back; one line each.
  std::vector<std::string> overridden;
  /// Why a requested canary or shadow did not try any call; otherwise empty.
  std::string untried;
  std::chrono::nanoseconds staged{};    ///< Copy and hash.
  std::chrono::nanoseconds examined{};  ///< Inspection and comparison of the schemas.
  std::chrono::nanoseconds warmed{};    ///< Starting new workers, until all have it loaded.
  std::chrono::nanoseconds tried{};     ///< Canary or shadow.
};

/// An event of a generation or of the watch.
struct SwapEvent {
  enum class Kind : std::uint8_t {
    kDetected,     ///< A plugin file has changed.
    kStaged,       ///< It is in the store.
    kRefused,      ///< It does not become current; `message` says why and what to do.
    kForced,       ///< Breaks, a quarantine or a roll-back were overridden; `message` lists them.
    kCanary,       ///< Now runs a fraction of the calls; or ran none, and `message` says why.
    kSwitched,     ///< It is current now.
    kDrained,      ///< No worker has it loaded any more.
    kRolledBack,   ///< It is current again; `message` says why.
    kQuarantined,  ///< Its content is not loaded again; `message` says who quarantined it.
    kWatch,        ///< The watch itself: a directory appeared, disappeared or cannot be read.
    kRestored,     ///< Current again after a restart; `message` says why, and its file's content.
  };
  std::uint64_t number = 0;  ///< Number of the event, increasing by one.
  std::chrono::system_clock::time_point time;
  Kind kind = Kind::kDetected;
  std::string plugin;
  std::string version;           ///< Empty if unknown.
  std::string sha256;            ///< Empty if unknown.
  std::uint64_t generation = 0;  ///< 0 if there is none.
  std::string message;           ///< For people; may have several lines.
};
/// "detected", "staged", ... Valid for the life of the process.
[[nodiscard]] std::string_view swap_event_name(SwapEvent::Kind kind) noexcept;

namespace internal {
class SwapListeners;
}

/// Ends a subscription to events when destroyed. Move-only; may outlive the runtime. After that the
/// function is not running and does not run again, unless the subscription ends from inside the
/// function.
class [[nodiscard]] EventSubscription {
 public:
  EventSubscription() noexcept = default;
  EventSubscription(std::weak_ptr<internal::SwapListeners> listeners, std::uint64_t id) noexcept
      : listeners_(std::move(listeners)), id_(id) {}
  EventSubscription(EventSubscription&& other) noexcept;
  EventSubscription& operator=(EventSubscription&& other) noexcept;
  ~EventSubscription();

 private:
  std::weak_ptr<internal::SwapListeners> listeners_;
  std::uint64_t id_ = 0;
};

}  // namespace tenon
