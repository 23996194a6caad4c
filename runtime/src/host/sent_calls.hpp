/// host/sent_calls.hpp: operations on calls that were sent to a worker.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <tenon/future.hpp>

#include "host/backlog.hpp"
#include "host/call.hpp"
#include "host/roster.hpp"
#include "host/slot_table.hpp"

namespace tenon::internal {

/// Takes back calls that have not begun, and asks those that have begun to stop. Not thread-safe: guarded by the
/// scheduler's lock.
class SentCalls {
 public:
  /// The arguments must outlive this object.
  SentCalls(std::int64_t cancel_grace_ns, const SlotTable& slots, Roster& roster, Backlog& backlog) noexcept
      : cancel_grace_ns_(cancel_grace_ns), slots_(slots), roster_(roster), backlog_(backlog) {}

  /// The worker has reached its oldest call: starts the call's run timeout.
  void begin_next(WorkerLink& link);
  /// Asks the worker to stop the call; the worker is killed if it has not stopped after cancel_grace.
  void ask_to_stop(WorkerLink& link, Call& call, StopReason reason);
  /// Takes a sent call back from its worker; false if the worker has begun it, or will report whether it has.
  [[nodiscard]] bool take_back(WorkerLink& link, Call& call);
  /// Removes a call that was taken back from its worker's list.
  [[nodiscard]] CallRef take_out(WorkerLink& link, const Call& call);
  /// Takes back the items of a sent bulk call that have not begun; null if there are none.
  [[nodiscard]] CallRef take_items_back(WorkerLink& link, Call& call);
  /// The progress that the call's task has reported.
  [[nodiscard]] std::optional<Progress> progress(const Call& call) const;
  /// All calls that workers have, each worker's last one first, so that calls can be taken back before the worker
  /// reaches them.
  [[nodiscard]] std::vector<CallRef> all() const;

 private:
  /// Asks the task that runs `call`, or its running item, to stop.
  static void stop_running(WorkerLink& link, const Call& call);

  const std::int64_t cancel_grace_ns_;
  const SlotTable& slots_;
  Roster& roster_;
  Backlog& backlog_;
};

}  // namespace tenon::internal
