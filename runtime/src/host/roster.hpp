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

/// A worker that says that its call took longer lies, or its clock does.
inline constexpr std::uint64_t kLongestRunNs = 1'000'000'000'000;

/// Keeps ready workers by their load, and knows how long calls take lately. Ends the use of workers that stop. Not
/// thread-safe: guarded by the scheduler's lock.
class Roster {
 public:
  struct Options {
    std::uint32_t cores = 1;  ///< That workers may use.
    std::int64_t cancel_grace_ns = 0;
  };
  /// All outlive it.
  Roster(const Options& options, const SlotTable& slots, const WearWatch& wear, EffectsBox& effects) noexcept
      : options_(options), slots_(slots), wear_(wear), effects_(effects) {}

  // -- who takes a call -------------------------------------------------------------------------

  [[nodiscard]] bool can_take(const WorkerLink& link) const noexcept;
  /// Puts the worker where it belongs, after anything that changes what it has to do or can take. One that was moved
  /// aside and has nothing left is dismissed.
  void relist(WorkerLink& link);
  /// Takes the worker out: it gets no calls until it is listed again.
  void unlist(WorkerLink& link) noexcept { board_.remove(link); }
  /// The worker for a call that may go to any; null if the call should stay queued.
  [[nodiscard]] WorkerLink* choose() noexcept;
  [[nodiscard]] WorkerLink* idle() const noexcept { return board_.idle(); }
  /// With the most to do of those that flow, or of the others; null when none has any.
  [[nodiscard]] WorkerLink* busiest(bool flows) const noexcept { return board_.most(flows); }
  /// How long a submission ran.
  void note_run(WorkerLink& link, std::int64_t run_ns) noexcept;

  // -- streams ----------------------------------------------------------------------------------

  /// Whether many short calls pass through the worker. Its completions are then polled at each tick.
  void set_streaming(WorkerLink& link, bool streaming) noexcept;
  [[nodiscard]] MonotonicNs next_tick_ns() const noexcept { return next_tick_ns_; }
  void begin_tick() noexcept { next_tick_ns_ = kNever; }
  void end_tick(MonotonicNs now_ns) noexcept;

  // -- workers that stop ------------------------------------------------------------------------

  /// Asks the worker to stop.
  void dismiss(WorkerLink& link);
  /// The same for one that was moved aside, once it has nothing left.
  void dismiss_if_done(WorkerLink& link);
  /// It gets no further calls.
  void stop_dispatch(WorkerLink& link);
  /// Kills a worker that broke the protocol.
  void break_link(WorkerLink& link, Error reason);
  /// Kills a worker for a reason that its calls report.
  void kill_for(WorkerLink& link, std::string reason);
  /// Kills a worker that lives and whose channel hung up.
  void kill_disconnected(WorkerLink& link);

  /// Between two ticks.
  static constexpr std::int64_t kTickNs = 1'000'000;

 private:
  const Options options_;
  const SlotTable& slots_;
  const WearWatch& wear_;
  EffectsBox& effects_;
  LinkBoard board_;
  // How long half of the calls take at most, by those that ended lately on any worker; 0 before the first. A mean would
  // be that of a few whose worker had to wait for a core.
  std::int64_t median_run_ns_ = 0;
  std::uint32_t streaming_links_ = 0;
  MonotonicNs next_tick_ns_ = kNever;
};

}  // namespace tenon::internal
