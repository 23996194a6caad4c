/// swap/fleet.hpp: what a swap needs from the workers. The pool implements it; tests have an
/// implementation of their own.
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

/// What a generation has done so far, and how many workers have it.
struct GenerationTally {
  std::uint64_t calls = 0;    ///< Calls that ended on it.
  std::uint64_t failed = 0;   ///< Those that ended with an error of the task.
  std::uint64_t crashed = 0;  ///< Those that ended because their worker died.
  /// Workers that had loaded only this generation and died while they ran no call.
  std::uint64_t idle_deaths = 0;
  std::int64_t p99_ns = 0;    ///< Run time of a call, over the latest few hundred; 0 before the first.
  std::uint32_t workers = 0;  ///< Workers that have loaded it, or will.
  std::uint32_t sessions = 0;
  std::uint32_t running = 0;        ///< Plain calls begun on it that have not ended.
  std::chrono::nanoseconds age{0};  ///< Time since `add`.
};

struct TrialOptions {
  /// Share of the calls of idempotent tasks, 0 to 1.
  double share = 1;
  /// Empty: callers get the results of the version on trial. Otherwise both versions run each call,
  /// callers get the old version's result, and this function gets both. It is called on any thread,
  /// outside every lock, and must be short.
  std::function<void(const TaskInfo& task, const Result<Reply>& old_end, const Result<Reply>& new_end)> shadow = {};
};

/// Runs generations. [any-thread]; changes of one plugin are made one after another.
class Fleet {
 public:
  virtual ~Fleet() = default;

  /// The catalog to which calls are routed now.
  [[nodiscard]] virtual Catalog catalog() const = 0;
  /// The generation to which calls of a plugin go; null if the catalog does not have the plugin.
  [[nodiscard]] virtual GenerationRef current(std::string_view plugin) const = 0;

  /// Adds a generation; no call runs on it yet. `plugin` must be usable. Workers load `file` within
  /// `load_limit`.
  [[nodiscard]] virtual GenerationRef add(std::shared_ptr<const PluginInfo> plugin, ServedFileRef file,
                                          std::chrono::milliseconds load_limit) = 0;
  /// Starts as many workers as have the plugin's current generation, at least one, beside the
  /// existing ones, and makes them load it. Blocks. After an error they have been stopped again.
  /// Errors: kDeadline; kCrashed, or the error of `init`; kUnavailable if no worker can be started;
  /// kCancelled if the generation was retired meanwhile.
  [[nodiscard]] virtual Result<void> warm(const GenerationRef& generation, std::chrono::milliseconds timeout) = 0;
  /// Lets a warm generation run calls of the plugin's idempotent tasks beside the current one,
  /// until it becomes current or is retired.
  virtual void start_trial(const GenerationRef& generation, TrialOptions options) = 0;
  /// Makes a warm generation the current one of its plugin; it may be an earlier one that was
  /// warmed again. Submitted calls switch over atomically, and the old generation drains. With
  /// `keeps_queued`, queued calls run on the old one, because the new one might not understand
  /// them; otherwise they run on the new one. `session_drain` is as in SwapOptions. Returns the old
  /// one.
  virtual GenerationRef switch_to(const GenerationRef& generation, bool keeps_queued,
                                  std::chrono::milliseconds session_drain) = 0;
  /// Retires a generation that is not current: its calls move to the current one or finish, and its
  /// workers stop. A `warm` that is under way, or is called later, ends as kCancelled. A second
  /// call does nothing.
  virtual void retire(const GenerationRef& generation) = 0;

  /// Waits until no worker has the generation. False if the time is over.
  [[nodiscard]] virtual bool wait_drained(const GenerationRef& generation, std::chrono::milliseconds timeout) = 0;
  [[nodiscard]] virtual GenerationTally tally(const GenerationRef& generation) const = 0;
  /// `trouble` is called when a call crashed on a generation, or a generation has drained; the
  /// tallies say which. It is called on any thread, outside every lock, and must be short. Set
  /// once, before any other call.
  virtual void set_listener(std::function<void()> trouble) = 0;
};

}  // namespace tenon::internal
