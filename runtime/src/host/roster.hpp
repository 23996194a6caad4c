/// host/roster.hpp: which workers can take a call, and which of them takes the next one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include <tenon/error.hpp>

#include "base/clock.hpp"
#include "host/effects.hpp"
#include "host/link_board.hpp"
#include "host/slot_table.hpp"
#include "host/wear_watch.hpp"

namespace tenon::internal {

/// A worker that reports a longer run time is lying, or its clock is wrong.
inline constexpr std::uint64_t kLongestRunNs = 1'000'000'000'000;

/// Sorts ready workers by load, and measures how long recent calls took. Stops sending to workers that are to stop. Not
/// thread-safe: guarded by the scheduler's lock.
class Roster {
 public:
  struct Options {
    std::uint32_t cores = 1;  ///< Number of cores that workers may use.
    std::int64_t cancel_grace_ns = 0;
  };
  /// The arguments must outlive this object.
  Roster(const Options& options, const SlotTable& slots, const WearWatch& wear, EffectsBox& effects) noexcept
      : options_(options), slots_(slots), wear_(wear), effects_(effects) {}

  // -- who takes a call -------------------------------------------------------------------------

  [[nodiscard]] bool can_take(const WorkerLink& link) const noexcept;
  /// Updates the worker's position on the board; called after every change of its load or of what it can take.
  /// Dismisses a worker that was moved aside and has nothing left.
  void relist(WorkerLink& link);
  /// Removes the worker from the board: it gets no calls until it is listed again.
  void unlist(WorkerLink& link) noexcept { board_.remove(link); }
  /// The worker for a call that may go to any; null if the call should stay queued.
  [[nodiscard]] WorkerLink* choose() noexcept;
  [[nodiscard]] WorkerLink* idle() const noexcept { return board_.idle(); }
  /// The worker with the most load among the flowing or the other ones; null if none has any.
  [[nodiscard]] WorkerLink* busiest(bool flows) const noexcept { return board_.most(flows); }
  /// Records how long a submission ran.
  void note_run(WorkerLink& link, std::int64_t run_ns) noexcept;

  // -- streams ----------------------------------------------------------------------------------

  /// Sets whether many short calls pass through the worker. If so, its completions are polled at each tick.
  void set_streaming(WorkerLink& link, bool streaming) noexcept;
  [[nodiscard]] MonotonicNs next_tick_ns() const noexcept { return next_tick_ns_; }
  void begin_tick() noexcept { next_tick_ns_ = kNever; }
  void end_tick(MonotonicNs now_ns) noexcept;

  // -- workers that stop ------------------------------------------------------------------------

  /// Asks the worker to stop.
  void dismiss(WorkerLink& link);
  /// Like dismiss, for a worker that was moved aside, once it has nothing left.
  void dismiss_if_done(WorkerLink& link);
  /// Ensures that the worker gets no further calls.
  void stop_dispatch(WorkerLink& link);
  /// Kills a worker that broke the protocol.
  void break_link(WorkerLink& link, Error reason);
  /// Kills a worker for a reason that its calls report as their error.
  void kill_for(WorkerLink& link, std::string reason);
  /// Kills a running worker whose channel hung up.
  void kill_disconnected(WorkerLink& link);

  /// Time between two ticks.
  static constexpr std::int64_t kTickNs = 1'000'000;

 private:
  const Options options_;
  const SlotTable& slots_;
  const WearWatch& wear_;
  EffectsBox& effects_;
  LinkBoard board_;
  // Median run time of the calls that ended lately on any worker; 0 before the first. A mean would be dominated by the
  // few calls whose worker had to wait for a core.
  std::int64_t median_run_ns_ = 0;
  std::uint32_t streaming_links_ = 0;
  MonotonicNs next_tick_ns_ = kNever;
};

}  // namespace tenon::internal
