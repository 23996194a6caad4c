/// tenon/swap.hpp: plugins that change while everything runs.
///
///   auto runtime = tenon::Runtime::start({.plugin_dirs = {"build/plugins"}, .hot_swap = tenon::HotSwapOptions{}});
///   auto report = runtime->swap("image");                 // the file has changed: run what it holds now
///   if (!report) std::cerr << report.error().to_string() << '\n';   // the old version goes on
///   runtime->rollback("image", "thumbnails are too dark");
///
/// One version of one plugin in one runtime is a *generation*. It lives and dies with worker processes: a swap starts
/// new workers beside the old ones, changes the routing at one moment, and lets the old workers finish what they run.
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

/// How one swap is to be made, and what turns it back. Rates are shares of calls, 0 to 1.
struct SwapOptions {
  /// Swaps also where the new schema breaks the old one: what waits in the queue then still runs on the old version. Of
  /// a file that is named by its path it also swaps a content that is in quarantine or was rolled back;
  /// SwapReport::overridden says what was overridden.
  bool force = false;

  /// Share of the calls of idempotent tasks that run on the new version before it becomes current; 0: no canary.
  double canary_share = 0;
  /// Runs calls of idempotent tasks on both versions, answers with the old one's results and compares the new one's
  /// with them field by field. Costs each call twice. The share is canary_share, or all when that is 0.
  bool shadow = false;
  /// A canary or shadow ends well after so many calls ...
  std::uint64_t canary_calls = 200;
  /// ... or after this time, with as many as there were; SwapReport::untried tells when there was none.
  std::chrono::milliseconds canary_time{10'000};

  /// After it became current the new version is watched for so long: should it cross a limit below, the old one comes
  /// back by itself. 0: not watched.
  std::chrono::milliseconds probation{30'000};
  /// Limits, for canary and probation. Calls that crashed their worker: more than this share above the old version's. A
  /// call is counted once, at its first attempt ...
  double max_crash_rate = 0.01;
  /// ... and errors: more than this share above the old version's.
  double max_error_rate_increase = 0.05;
  /// Time a call runs, p99: more than so many times the old version's, once both have run 100 calls. 0: no limit.
  /// Canaries and shadows alone.
  double max_p99_ratio = 3.0;

  /// For each of staging, inspection and warming up; 0: the plugin's PluginLimits::start_timeout.
  std::chrono::milliseconds step_timeout{0};
  /// Sessions that cannot move to the new version stay on the old one for so long; they then end as kUnavailable. Plain
  /// calls are never ended by a swap.
  std::chrono::milliseconds session_drain{60'000};
};

/// Makes a runtime able to swap plugins.
struct HotSwapOptions {
  /// Where copies of plugin files are kept, by content; may be shared by several hosts of one user. Workers load from
  /// there alone. Empty: $XDG_CACHE_HOME/tenon/store or ~/.cache/tenon/store.
  std::filesystem::path store_dir = {};
  /// Names this runtime in the store across restarts, as `tenon serve` does by its socket. The next runtime of that
  /// name begins with the versions that were current in this one, whatever the plugin files hold by then, and knows
  /// what it was rolled back from. A watch takes a plugin file that has changed in between. Empty: what plugin files
  /// hold is current at each start, but for contents that a runtime of this program with these plugin directories was
  /// rolled back from.
  std::string instance = {};
  /// Bounds of the store. What is in use is never pushed out.
  std::uint64_t max_store_bytes = std::uint64_t{4} << 30;
  std::size_t max_store_files = 256;

  /// Watches the catalog's directories and swaps what changes in them, as `swaps` says.
  bool watch = false;
  /// A changed file must have been quiet for so long.
  std::chrono::milliseconds debounce{50};
  /// All directories are looked through so often, for what the watch has missed.
  std::chrono::milliseconds rescan{10'000};
  /// How the watch swaps.
  SwapOptions swaps = {};
  /// May refuse a version before it is inspected, with the reason: a pipeline's version pin, an allowlist. The version
  /// and the schema of the candidate are those of its manifest; none of its code has run. A refusal as kUnavailable is
  /// asked again at the next rescan. Must not throw. [any-thread]
  std::function<Result<void>(const PluginInfo& candidate)> admit = {};
};

/// Where a generation stands.
enum class GenerationState : std::uint8_t {
  kTrial,     ///< Staged; being inspected, compared or warmed up.
  kCanary,    ///< Runs a share of the calls, or shadows.
  kCurrent,   ///< Calls go there.
  kDraining,  ///< Finishes what it runs.
  kRetired,   ///< No worker has it any more; it may come back by roll-back while its file is in the store.
  kRefused,   ///< Did not become current; `reason` says why.
};
/// "trial", "canary" ... Valid for ever.
[[nodiscard]] std::string_view generation_state_name(GenerationState state) noexcept;

/// One version of one plugin in one runtime.
struct GenerationInfo {
  std::uint64_t number = 0;  ///< Unique in the runtime, rising; 0 of a content that was refused before it was one.
  std::string plugin;
  std::string version;
  std::string sha256;
  std::filesystem::path source;  ///< The file it was staged from.
  GenerationState state = GenerationState::kTrial;
  std::chrono::system_clock::time_point since;  ///< Of the state.
  std::string reason;                           ///< Why it was refused, forced or rolled back; else empty.
  /// Of the current one: why it is served although its plugin's file holds another content; else empty.
  std::string note;
  std::uint32_t workers = 0;       ///< That have it now.
  std::uint64_t calls = 0;         ///< Ended, on it.
  std::uint64_t failed = 0;        ///< Of those, by an error of the task.
  std::uint64_t crashed = 0;       ///< Of those, by the end of the worker.
  std::chrono::nanoseconds p99{};  ///< Time a call runs, of the latest some hundreds; 0 before the first.
};

/// What a swap has done.
struct SwapReport {
  GenerationInfo now;     ///< Current now.
  GenerationInfo before;  ///< Current before.
  /// What `force` has overridden: breaks of the schema, a quarantine, a roll-back; a line each.
  std::vector<std::string> overridden;
  /// Why a canary or shadow that was asked for has tried no call; else empty.
  std::string untried;
  std::chrono::nanoseconds staged{};    ///< Copy and hash.
  std::chrono::nanoseconds examined{};  ///< Inspection and comparison of the schemas.
  std::chrono::nanoseconds warmed{};    ///< New workers, until all have it loaded.
  std::chrono::nanoseconds tried{};     ///< Canary or shadow.
};

/// Something that happened to a generation, or to the watch.
struct SwapEvent {
  enum class Kind : std::uint8_t {
    kDetected,     ///< A plugin file has changed.
    kStaged,       ///< It is in the store.
    kRefused,      ///< It does not become current; `message` says why and what to do.
    kForced,       ///< Breaks, a quarantine or a roll-back were overridden; `message` lists them.
    kCanary,       ///< Runs a share of the calls now; or has tried none, and `message` says why.
    kSwitched,     ///< It is current now.
    kDrained,      ///< No worker has it any more.
    kRolledBack,   ///< It is current again; `message` says why.
    kQuarantined,  ///< Its content will not be loaded again; `message` says by whom.
    kWatch,        ///< The watch itself: a directory came or went, or cannot be read.
    kRestored,     ///< It was current before a restart and is again; `message` says why, and what its file holds.
  };
  std::uint64_t number = 0;  ///< Of the event, rising by one.
  std::chrono::system_clock::time_point time;
  Kind kind = Kind::kDetected;
  std::string plugin;
  std::string version;           ///< Empty when not known.
  std::string sha256;            ///< Empty when not known.
  std::uint64_t generation = 0;  ///< 0 when there is none.
  std::string message;           ///< For people; may have several lines.
};
/// "detected", "staged" ... Valid for ever.
[[nodiscard]] std::string_view swap_event_name(SwapEvent::Kind kind) noexcept;

namespace internal {
class SwapListeners;
}

/// Ends a subscription to events when it goes. Move-only; may outlive the runtime. After its end the function is not
/// running and will not run again, unless the end comes from inside it.
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
