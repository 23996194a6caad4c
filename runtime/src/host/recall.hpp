/// host/recall.hpp: takes calls back from workers for other workers.
#pragma once

#include "host/backlog.hpp"
#include "host/call.hpp"
#include "host/roster.hpp"
#include "host/sent_calls.hpp"
#include "host/slot_table.hpp"

namespace tenon::internal {

/// Calls that a worker has not begun can go to another one. Calls that are taken back are queued at the front; the
/// caller dispatches. Not thread-safe: guarded by the scheduler's lock.
class Recall {
 public:
  /// The arguments must outlive this object.
  Recall(const SlotTable& slots, Roster& roster, Backlog& backlog, SentCalls& sent) noexcept
      : slots_(slots), roster_(roster), backlog_(backlog), sent_(sent) {}

  /// Gives an idle worker half of the calls of the fullest one.
  void steal_for(WorkerLink& link);
  /// Takes back the calls or items behind the running one, if another worker is idle.
  void relieve(WorkerLink& link);
  /// Takes back all calls that the worker has not begun, including its oldest one. `pinned_too`: including calls that
  /// only this worker may run.
  void relieve_stalled(WorkerLink& link, bool pinned_too);
  /// Takes back calls of a lower priority.
  void take_back_lower(int priority);
  /// Asks the worker to hand back all calls that it has not begun.
  void take_back_all(WorkerLink& link);

 private:
  void steal_from(WorkerLink& victim);
  /// Takes items of the running bulk call back into the queue, if they have waited for long.
  void split_running(WorkerLink& link);
  /// Takes a sent call back into the queue, unless it is running or the worker will report whether it is.
  void move_back(WorkerLink& link, Call& call);

  const SlotTable& slots_;
  Roster& roster_;
  Backlog& backlog_;
  SentCalls& sent_;
};

}  // namespace tenon::internal
