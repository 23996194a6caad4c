/// swap/fleet.hpp: what a swap needs of the workers. The pool is one; tests have their own.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include <tenon/catalog.hpp>
#include <tenon/error.hpp>
#include <tenon/reply.hpp>

#include "swap/generation.hpp"

namespace tenon::internal {

/// What a generation has done so far, and who has it.
struct GenerationTally {
  std::uint64_t calls = 0;    ///< Ended on it.
  std::uint64_t failed = 0;   ///< Of those, by an error of the task.
  std::uint64_t crashed = 0;  ///< Of those, by the end of the worker.
  /// Workers that had no other plugin's generation loaded and died while they ran no call.
  std::uint64_t idle_deaths = 0;
  std::int64_t p99_ns = 0;    ///< Time a call runs, of the latest some hundreds; 0 before the first.
  std::uint32_t workers = 0;  ///< That have it loaded, or are about to.
  std::uint32_t sessions = 0;
  std::uint32_t running = 0;        ///< Plain calls begun on it that have not ended.
  std::chrono::nanoseconds age{0};  ///< Since it was made known.
};

struct TrialOptions {
  /// Of the calls of idempotent tasks.
  double share = 1;
  /// Absent: the trial's own results are the answers. Present: both versions run, the old one answers, and this gets
  /// both ends of each. Called on any thread, outside every lock; short.
  std::function<void(const TaskInfo& task, const Result<Reply>& old_end, const Result<Reply>& new_end)> shadow = {};
};

/// Runs generations. [any-thread]; one plugin's changes come one after another.
class Fleet {
 public:
  virtual ~Fleet() = default;

  /// The catalog as it is routed now.
  [[nodiscard]] virtual Catalog catalog() const = 0;
  /// The generation that calls of a plugin go to; null for a plugin that the catalog does not have.
  [[nodiscard]] virtual GenerationRef current(std::string_view plugin) const = 0;

  /// Makes a generation known. Nothing runs on it yet. `plugin` is usable; workers load `file` within `load_limit`.
  [[nodiscard]] virtual GenerationRef add(std::shared_ptr<const PluginInfo> plugin, ServedFileRef file,
                                          std::chrono::milliseconds load_limit) = 0;
  /// Starts workers beside those there are, as many as have the plugin's current generation (one at least), and has
  /// them load it. Blocks. On an error they are gone again. Errors: kDeadline; kCrashed, or what `init` said;
  /// kUnavailable no worker can be started; kCancelled retired meanwhile.
  [[nodiscard]] virtual Result<void> warm(const GenerationRef& generation, std::chrono::milliseconds timeout) = 0;
  /// Lets a warm generation run calls of the plugin's idempotent tasks beside the current one, until it is switched to
  /// or retired.
  virtual void start_trial(const GenerationRef& generation, TrialOptions options) = 0;
  /// Makes a warm generation, or an earlier one that has been warmed again, the current one of its plugin: one moment,
  /// for calls that are submitted. The old one drains. `keeps_queued`: calls that wait run on the old one, as the new
  /// one might not understand them; otherwise on the new one. `session_drain` as in SwapOptions. Gives the old one.
  virtual GenerationRef switch_to(const GenerationRef& generation, bool keeps_queued,
                                  std::chrono::milliseconds session_drain) = 0;
  /// Ends a generation that is not current: what it runs moves to the current one or finishes, its workers go. Ends a
  /// `warm` that is under way (or comes later) as kCancelled. Nothing happens the second time.
  virtual void retire(const GenerationRef& generation) = 0;

  /// Waits until no worker has the generation. False: the time is over.
  [[nodiscard]] virtual bool wait_drained(const GenerationRef& generation, std::chrono::milliseconds timeout) = 0;
  [[nodiscard]] virtual GenerationTally tally(const GenerationRef& generation) const = 0;
  /// `trouble` is called when a call crashed on a generation, or a generation has drained: look at the tallies. On any
  /// thread, outside every lock; short. Set once, before anything else.
  virtual void set_listener(std::function<void()> trouble) = 0;
};

}  // namespace tenon::internal
