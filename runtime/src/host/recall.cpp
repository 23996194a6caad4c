#include "host/recall.hpp"

#include <utility>

#include "base/hot.hpp"
#include "host/bulk_parts.hpp"
#include "host/trials.hpp"

namespace tenon::internal {

namespace {

/// If another worker is idle, items of a running bulk call are taken back after this time.
constexpr std::int64_t kSplitAfterNs = 500'000;

}  // namespace

TENON_HOT void Recall::steal_for(WorkerLink& link) {
  // First from blocked workers: the calls behind a long one.
  for (const bool flows : {false, true}) {
    if (!backlog_.empty() || !link.in_flight.empty() || !roster_.can_take(link) || slots_[link.slot].is_extra()) {
      return;
    }
    if (WorkerLink* victim = roster_.busiest(flows); victim != nullptr && victim != &link) {
      steal_from(*victim);
    }
  }
}

void Recall::steal_from(WorkerLink& victim) {
  std::size_t wanted = victim.in_flight.size() / 2;
  // From the back: the last calls to run would wait longest. The front one is running.
  for (std::uint64_t position = victim.in_flight.end_position();
       wanted > 0 && --position > victim.in_flight.front_position();) {
    Call* call = victim.in_flight.at(position);
    if (call != nullptr && call->details().pinned_slot < 0 && !call->revoke_tried &&
        call->stop_reason == StopReason::kNone) {
      --wanted;
      move_back(victim, *call);
    }
  }
  if (backlog_.empty() && !victim.in_flight.empty()) {
    split_running(victim);
  }
  roster_.relist(victim);
}

void Recall::split_running(WorkerLink& link) {
  Call& call = link.in_flight.front();
  if (call.kind != CallKind::kBulk || call.stop_reason != StopReason::kNone ||
      monotonic_now_ns() - call.details().sent_ns < kSplitAfterNs) {
    return;
  }
  CallRef rest = sent_.take_items_back(link, call);
  if (rest == nullptr) {
    return;
  }
  // Half of them are for the idle worker, half for the current one, in case it is ready first.
  CallRef half = rest->details().count > 1 ? split_items(*rest, rest->details().count / 2) : nullptr;
  if (half != nullptr) {
    backlog_.enqueue(*half.take(), true);
  }
  backlog_.enqueue(*rest.take(), true);
}

void Recall::move_back(WorkerLink& link, Call& call) {
  if (call.revoke_tried || call.stop_reason != StopReason::kNone) {
    return;
  }
  if (!sent_.take_back(link, call)) {
    call.moving = true;
    return;
  }
  CallRef taken = link.in_flight.take(call.position());
  --taken->attempt;
  backlog_.enqueue(*taken.take(), true);
}

void Recall::relieve(WorkerLink& link) {
  if (link.in_flight.empty() || roster_.idle() == nullptr) {
    return;  // The next worker that becomes idle takes its share.
  }
  for (std::uint64_t position = link.in_flight.end_position(); --position > link.in_flight.front_position();) {
    Call* call = link.in_flight.at(position);
    if (call != nullptr && call->details().pinned_slot < 0) {
      move_back(link, *call);
    }
  }
  split_running(link);
  roster_.relist(link);
}

void Recall::relieve_stalled(WorkerLink& link, bool pinned_too) {
  bool moved = false;
  for (std::uint64_t position = link.in_flight.end_position();
       !link.in_flight.empty() && position-- > link.in_flight.front_position();) {
    Call* call = link.in_flight.at(position);
    if (call == nullptr || (call->details().pinned_slot >= 0 && !pinned_too)) {
      continue;
    }
    // Asks again, even if it was asked before: the call had not begun until now.
    call->revoke_tried = true;
    if (link.transport->end().revoke(position) != Revoked::kTaken) {
      continue;
    }
    moved = true;
    if (call->kind == CallKind::kOpen) {
      call->details().session->link_id = 0;
    }
    backlog_.take_returned(link.in_flight.take(position));
  }
  if (!moved) {
    return;
  }
  sent_.begin_next(link);
  roster_.relist(link);
  if (link.reaper.direct()) {
    // Wakes the directly waiting thread, so that it sees that its call has been taken back.
    link.transport->end().wake_host();
  }
}

void Recall::take_back_lower(int priority) {
  for (const WorkerSlot& slot : slots_) {
    if (slot.link == nullptr || slot.link->in_flight.size() < 2) {
      continue;
    }
    InFlight& in_flight = slot.link->in_flight;
    for (std::uint64_t position = in_flight.end_position(); --position > in_flight.front_position();) {
      Call* call = in_flight.at(position);
      // Steps of a session stay: one that comes back late would be behind the steps after it.
      if (call != nullptr && call->details().priority < priority && !call->session_bound) {
        move_back(*slot.link, *call);
      }
    }
    roster_.relist(*slot.link);
  }
}

void Recall::take_back_all(WorkerLink& link) {
  for (std::uint64_t position = link.in_flight.end_position(); position-- > link.in_flight.front_position();) {
    Call* call = link.in_flight.at(position);
    if (call == nullptr || call->session_bound || call->stop_reason != StopReason::kNone) {
      continue;
    }
    if (call->kind == CallKind::kBulk) {
      if (CallRef rest = sent_.take_items_back(link, *call)) {
        backlog_.requeue(std::move(rest));
      }
    }
    if (!sent_.take_back(link, *call)) {
      call->moving = true;
      continue;
    }
    CallRef taken = sent_.take_out(link, *call);
    --taken->attempt;
    if (taken->kind == CallKind::kOpen) {
      taken->details().session->link_id = 0;
    }
    if (taken->details().diverted) {
      Trials::undivert(*taken);
    }
    backlog_.requeue(std::move(taken));
  }
}

}  // namespace tenon::internal
