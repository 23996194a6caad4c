/// host/sent_calls.hpp: what can be done with a call that a worker has.
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

/// Takes calls back that have not begun, and asks those that have begun to stop. Not thread-safe: guarded by the
/// scheduler's lock.
class SentCalls {
 public:
  /// All outlive it.
  SentCalls(std::int64_t cancel_grace_ns, const SlotTable& slots, Roster& roster, Backlog& backlog) noexcept
      : cancel_grace_ns_(cancel_grace_ns), slots_(slots), roster_(roster), backlog_(backlog) {}

  /// The worker has come to its oldest call: its time to run begins.
  void begin_next(WorkerLink& link);
  /// Asks the worker to stop the call, and has it killed for it after cancel_grace.
  void ask_to_stop(WorkerLink& link, Call& call, StopReason reason);
  /// Takes a sent call back from its worker; false when the worker has it or will say so.
  [[nodiscard]] bool take_back(WorkerLink& link, Call& call);
  /// Removes a call that was taken back from its worker's list.
  [[nodiscard]] CallRef take_out(WorkerLink& link, const Call& call);
  /// Takes back what has not begun of a bulk call that was sent; null when there is nothing.
  [[nodiscard]] CallRef take_items_back(WorkerLink& link, Call& call);
  /// How far a call has come, as its task says.
  [[nodiscard]] std::optional<Progress> progress(const Call& call) const;
  /// Those that workers have, of each worker the last one first: so that what has not begun can be taken before the
  /// worker comes to it.
  [[nodiscard]] std::vector<CallRef> all() const;

 private:
  /// Asks the task that runs `call`, or the item of it that is running, to stop.
  static void stop_running(WorkerLink& link, const Call& call);

  const std::int64_t cancel_grace_ns_;
  const SlotTable& slots_;
  Roster& roster_;
  Backlog& backlog_;
};

}  // namespace tenon::internal
