/// host/backlog.hpp: calls that wait for a worker, and the times at which their limits expire.
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

/// Has one queue for all workers and one for each slot. Holds a reference to each queued call. Not thread-safe: guarded
/// by the scheduler's lock.
class Backlog {
 public:
  /// The arguments must outlive this object.
  Backlog(SlotTable& slots, CallTimers& timers, CallLedger& ledger, const Closing& closing,
          EffectsBox& effects) noexcept
      : slots_(slots), timers_(timers), ledger_(ledger), closing_(closing), effects_(effects) {}

  /// Queues a call where CallDetails::pinned_slot says, and takes over the reference. `at_front`: before the other
  /// calls of its priority.
  void enqueue(Call& call, bool at_front);
  /// Removes a queued call from its queue. The caller gets the reference, and queues the call again or ends it.
  void dequeue(Call& call) noexcept;
  /// Puts a call back at the front of its queue. Ends items of a bulk call that have been cancelled meanwhile.
  void requeue(CallRef call);
  /// Takes a call that a worker has handed back without having begun it: queues it again, or ends it if that was
  /// requested.
  void take_returned(CallRef call);

  /// Whether no call waits that any worker may run.
  [[nodiscard]] bool empty() const noexcept { return queue_.empty(); }
  /// The next call that any worker may run; null if there is none.
  [[nodiscard]] Call* front() const noexcept { return queue_.front(); }
  /// The next such call that may run before calls that wait for room; null if there is none.
  [[nodiscard]] Call* first_to_overtake() const noexcept { return queue_.find(may_overtake); }
  /// Whether any call waits, including calls that are bound to a slot.
  [[nodiscard]] bool waits() const noexcept { return !queue_.empty() || slots_.pinned_calls() > 0; }
  /// Records the priority of a call. Returns whether there have been other priorities, so that the call may overtake
  /// calls that were already sent.
  [[nodiscard]] bool note_priority(int priority);

  /// Sets a call's timer to the next of its limits that can expire.
  void set_timer(Call& call);

  /// Ends the calls that only this slot may run.
  void fail_pinned(std::uint32_t slot, const Error& error) { fail_all(slots_[slot].pinned, error); }
  /// Ends all waiting calls.
  void fail_all(const Error& error);

  /// Whether the call can be given to a worker as it is: its argument is where workers can read it.
  [[nodiscard]] static bool is_placed(const Call& call) noexcept;
  /// Whether a call may run before those that wait for room: it is placed, and it does not end a session that may have
  /// calls waiting for room.
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
  std::set<int> priorities_;  // The first few priorities seen.
};

/// Whether the worker of a sent call has begun it, or may have.
[[nodiscard]] bool has_begun(const SlotTable& slots, const Call& call) noexcept;

}  // namespace tenon::internal
