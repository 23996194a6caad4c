#include "host/backlog.hpp"

#include <algorithm>
#include <utility>

#include "base/hot.hpp"
#include "host/bulk_parts.hpp"
#include "host/trials.hpp"

namespace tenon::internal {

namespace {

constexpr std::size_t kPrioritiesWatched = 8;

}  // namespace

TENON_HOT void Backlog::enqueue(Call& call, bool at_front) {
  if (call.details().pinned_slot >= 0) {
    slots_.push(call, at_front);
  } else if (at_front) {
    queue_.push_front(call);
  } else {
    queue_.push_back(call);
  }
  call.phase = Call::Phase::kQueued;
  call.revoke_tried = false;
  call.moving = false;
  set_timer(call);
}

TENON_HOT void Backlog::dequeue(Call& call) noexcept {
  if (call.details().pinned_slot >= 0) {
    slots_.remove(call);
  } else {
    queue_.remove(call);
  }
}

bool Backlog::is_placed(const Call& call) noexcept {
  return call.stored() == nullptr || call.stored()->place().has_value();
}

bool Backlog::note_priority(int priority) {
  if (priorities_.size() < kPrioritiesWatched && (priorities_.empty() || *priorities_.begin() != priority)) {
    priorities_.insert(priority);
  }
  return priorities_.size() > 1;
}

void Backlog::requeue(CallRef call) {
  if (call->details().diverted &&
      slots_[static_cast<std::size_t>(call->details().pinned_slot)].role != SlotRole::kTrial) {
    Trials::undivert(*call);  // The trial has ended.
  }
  const bool sweep = call->kind == CallKind::kBulk && !call->details().bulk->parts.cancelled.empty();
  // From the back, so that items that go to the front of the queue keep their order.
  while (sweep && call->details().count > 1) {
    const std::vector<bool>& cancelled = call->details().bulk->parts.cancelled;
    const std::uint32_t first = call->details().first;
    std::uint32_t begin = first + call->details().count - 1;
    const bool ends = cancelled[begin];
    while (begin > first && cancelled[begin - 1] == ends) {
      --begin;
    }
    if (begin == first) {
      break;
    }
    CallRef run = split_items(*call, begin - first);
    if (ends) {
      ledger_.finish_error(std::move(run), ErrorCode::kCancelled, "the call was cancelled before it began");
    } else {
      enqueue(*run.take(), true);
    }
  }
  if (sweep && call->details().bulk->parts.cancelled[call->details().first]) {
    ledger_.finish_error(std::move(call), ErrorCode::kCancelled, "the call was cancelled before it began");
  } else {
    enqueue(*call.take(), true);
  }
}

void Backlog::take_returned(CallRef call) {
  --call->attempt;
  if (call->stop_reason == StopReason::kNone && (closing_.takes_back() || (call->attempt > 0 && !closing_.killing()))) {
    requeue(std::move(call));
  } else if (call->stop_reason != StopReason::kDeadline) {
    ledger_.finish_error(std::move(call), ErrorCode::kCancelled, "the call was cancelled before it began");
  } else {
    std::string why = call->deadline_text();
    ledger_.finish_error(std::move(call), ErrorCode::kDeadline, std::move(why));
  }
}

TENON_HOT void Backlog::set_timer(Call& call) {
  if (!call.has_details()) {
    return;  // The call has no time limits.
  }
  const CallDetails& details = call.details();
  MonotonicNs at_ns = kNever;
  if (details.kill_at_ns != kNever) {
    at_ns = details.kill_at_ns;
  } else if (call.stop_reason == StopReason::kNone) {
    at_ns = details.deadline_ns;
    if (call.phase == Call::Phase::kQueued && call.attempt == 0) {
      at_ns = std::min(at_ns, details.queue_deadline_ns);
    } else if (call.phase == Call::Phase::kSent) {
      at_ns = std::min(at_ns, details.run_deadline_ns);
      if (call.attempt == 1 && !slots_[call.slot].link->transport->end().may_have_begun(call.position())) {
        at_ns = std::min(at_ns, details.queue_deadline_ns);
      }
    }
  }
  if (timers_.set(call, at_ns)) {
    effects_->rearm = true;
  }
}

void Backlog::fail_all(const CallQueue& queue, const Error& error) {
  while (Call* call = queue.front()) {
    dequeue(*call);
    Error each = error;
    const ErrorContext context = CallLedger::context_of(*call);
    each.context.task = context.task;
    each.context.plugin = context.plugin;
    each.context.call_id = context.call_id;
    ledger_.finish(CallRef::adopt(call), fail(std::move(each)));
  }
}

void Backlog::fail_all(const Error& error) {
  fail_all(queue_, error);
  for (const WorkerSlot& slot : slots_) {
    fail_all(slot.pinned, error);
  }
}

bool has_begun(const SlotTable& slots, const Call& call) noexcept {
  return slots[call.slot].link->transport->end().may_have_begun(call.position());
}

}  // namespace tenon::internal
