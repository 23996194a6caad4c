/// host/backlog.hpp: calls that wait for a worker, and the times at which their limits pass.
#pragma once

#include <cstddef>
#include <set>

#include <tenon/error.hpp>

#include "host/call.hpp"
#include "host/call_ledger.hpp"
#include "host/call_queue.hpp"
#include "host/call_timers.hpp"
#include "host/closing.hpp"
#include "host/effects.hpp"
#include "host/slot_table.hpp"

namespace tenon::internal {

/// One queue for all workers, and the queue of each slot. Has a reference to each call in it. Not thread-safe: guarded
/// by the scheduler's lock.
class Backlog {
 public:
  /// All outlive it.
  Backlog(SlotTable& slots, CallTimers& timers, CallLedger& ledger, const Closing& closing,
          EffectsBox& effects) noexcept
      : slots_(slots), timers_(timers), ledger_(ledger), closing_(closing), effects_(effects) {}

  /// Queues a call where CallDetails::pinned_slot says; the reference is the queue's from then on. `at_front`: before
  /// those of the same priority.
  void enqueue(Call& call, bool at_front);
  /// Takes a queued call out. The reference is the caller's, who queues or ends the call.
  void dequeue(Call& call) noexcept;
  /// Puts a call back at the front of its queue. Items of a bulk call that have been cancelled meanwhile end.
  void requeue(CallRef call);
  /// A worker has handed a call back without having begun it: it is queued again, or ends if that was asked for.
  void take_returned(CallRef call);

  /// Whether no call waits that any worker may run.
  [[nodiscard]] bool empty() const noexcept { return queue_.empty(); }
  /// The next of them; null if there is none.
  [[nodiscard]] Call* front() const noexcept { return queue_.front(); }
  /// The next of them that may run before calls that wait for room; null if there is none.
  [[nodiscard]] Call* first_to_overtake() const noexcept { return queue_.find(may_overtake); }
  /// Whether any call waits, also one that is bound to a slot.
  [[nodiscard]] bool waits() const noexcept { return !queue_.empty() || slots_.pinned_calls() > 0; }
  /// Notes the priority of a call. Returns whether there have been others, so that a call may overtake those that were
  /// sent ahead.
  [[nodiscard]] bool note_priority(int priority);

  /// Sets the time of a call to the next of its limits that may pass.
  void set_timer(Call& call);

  /// Ends the calls that only this slot may run.
  void fail_pinned(std::uint32_t slot, const Error& error) { fail_all(slots_[slot].pinned, error); }
  /// Ends all that wait.
  void fail_all(const Error& error);

  /// Whether a worker can be given the call as it is.
  [[nodiscard]] static bool is_placed(const Call& call) noexcept;
  /// Whether a call may run before those that wait for room: it is placed, and does not end a session that may have
  /// such a call.
  [[nodiscard]] static bool may_overtake(const Call& call) noexcept {
    return is_placed(call) && call.kind != CallKind::kClose;
  }

 private:
  void fail_all(const CallQueue& queue, const Error& error);

  SlotTable& slots_;
  CallTimers& timers_;
  CallLedger& ledger_;
  const Closing& closing_;
  EffectsBox& effects_;
  CallQueue queue_;
  std::set<int> priorities_;  // Seen so far, the first few.
};

/// Whether the worker of a call that was sent has begun it, or may have.
[[nodiscard]] bool has_begun(const SlotTable& slots, const Call& call) noexcept;

}  // namespace tenon::internal
