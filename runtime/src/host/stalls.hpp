/// host/stalls.hpp: stalled workers: they have something to begin, run nothing and begin nothing.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "host/call_ledger.hpp"
#include "host/effects.hpp"
#include "host/recall.hpp"
#include "host/replies.hpp"
#include "host/roster.hpp"
#include "host/slot_table.hpp"
#include "host/stall_watch.hpp"
#include "platform/process_state.hpp"

namespace tenon::internal {

/// Checks for such workers while calls are open; see DESIGN.md, "Workers that stand still". Not thread-safe: guarded by
/// the scheduler's lock.
class Stalls {
 public:
  /// A worker that has been stalled for too long.
  struct Stalled {
    std::uint64_t link_id = 0;
    std::int64_t pid = 0;
    bool runs = false;  ///< It is running a call, which may take that long.
  };

  /// `stall_timeout_ns` 0: such workers are not replaced. The arguments must outlive this object.
  Stalls(std::int64_t stall_timeout_ns, const SlotTable& slots, Roster& roster, const CallLedger& ledger,
         Recall& recall, Replies& replies, EffectsBox& effects) noexcept
      : stall_timeout_ns_(stall_timeout_ns),
        slots_(slots),
        roster_(roster),
        ledger_(ledger),
        recall_(recall),
        replies_(replies),
        effects_(effects) {}

  /// Notes that workers have got something to begin.
  void note_work() {
    if (next_look_ns_ == kNever) {
      start_looking();
    }
  }
  [[nodiscard]] MonotonicNs next_look_ns() const noexcept { return next_look_ns_; }
  void look(MonotonicNs now_ns);
  /// A worker has not begun a call in time: if it is stalled, it gets nothing more until it makes progress.
  void suspect_at_once(WorkerLink& link);

  /// The workers found since the last call: without the lock, the reactor checks whether they are being debugged, and
  /// the process state of those that run a call.
  [[nodiscard]] std::vector<Stalled> take_stalled() noexcept { return std::exchange(stalled_, {}); }
  /// Kills such a worker, unless it has made progress meanwhile or is being debugged.
  void end_stalled(std::uint64_t link_id, bool debugged);
  /// Kills a worker that runs a call but cannot continue: its main thread has exited, or it was found stopped or frozen
  /// twice.
  void end_stopped(std::uint64_t link_id, const ProcessState& state, bool frozen);

 private:
  void start_looking();
  void suspect(WorkerLink& link);
  void trust_again(WorkerLink& link);

  const std::int64_t stall_timeout_ns_;
  const SlotTable& slots_;
  Roster& roster_;
  const CallLedger& ledger_;
  Recall& recall_;
  Replies& replies_;
  EffectsBox& effects_;
  MonotonicNs next_look_ns_ = kNever;
  std::uint64_t submitted_at_look_ = 0;
  std::vector<Stalled> stalled_;
};

}  // namespace tenon::internal
