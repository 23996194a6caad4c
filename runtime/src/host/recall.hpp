/// host/recall.hpp: takes calls back from workers for other workers.
#pragma once

#include "host/backlog.hpp"
#include "host/call.hpp"
#include "host/roster.hpp"
#include "host/sent_calls.hpp"
#include "host/slot_table.hpp"

namespace tenon::internal {

/// What a worker has not begun can go to another one. What is taken back is queued at the front; the caller dispatches.
/// Not thread-safe: guarded by the scheduler's lock.
class Recall {
 public:
  /// All outlive it.
  Recall(const SlotTable& slots, Roster& roster, Backlog& backlog, SentCalls& sent) noexcept
      : slots_(slots), roster_(roster), backlog_(backlog), sent_(sent) {}

  /// An idle worker takes half of what the fullest one has.
  void steal_for(WorkerLink& link);
  /// Takes back what waits behind the call or item that a worker runs, if another worker is idle.
  void relieve(WorkerLink& link);
  /// Takes back what the worker has not begun, including its oldest call. `pinned_too`: also what only it may run.
  void relieve_stalled(WorkerLink& link, bool pinned_too);
  /// Takes back calls of a lower priority.
  void take_back_lower(int priority);
  /// Asks for everything back that a worker has not begun.
  void take_back_all(WorkerLink& link);

 private:
  void steal_from(WorkerLink& victim);
  /// Takes items of the bulk call that a worker runs back into the queue, when they have waited for long.
  void split_running(WorkerLink& link);
  /// Takes a sent call back into the queue, unless it runs, or the worker will say whether it does.
  void move_back(WorkerLink& link, Call& call);

  const SlotTable& slots_;
  Roster& roster_;
  Backlog& backlog_;
  SentCalls& sent_;
};

}  // namespace tenon::internal
