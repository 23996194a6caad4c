#include "host/sent_calls.hpp"

#include "base/hot.hpp"
#include "host/bulk_parts.hpp"

namespace tenon::internal {

TENON_HOT void SentCalls::begin_next(WorkerLink& link) {
  if (link.in_flight.empty()) {
    return;
  }
  Call& call = link.in_flight.front();
  if (const std::int64_t run_timeout_ns = call.details().run_timeout_ns; run_timeout_ns != kNever) {
    call.make_details().run_deadline_ns = later(monotonic_now_ns(), run_timeout_ns);
  }
  if (call.stop_reason != StopReason::kNone) {
    stop_running(link, call);  // It was asked to stop before its turn, but the cancel word has room for one call.
  }
  backlog_.set_timer(call);
}

void SentCalls::ask_to_stop(WorkerLink& link, Call& call, StopReason reason) {
  call.stop_reason = reason;
  call.make_details().kill_at_ns = later(monotonic_now_ns(), cancel_grace_ns_);
  if (&link.in_flight.front() == &call || link.transport->end().may_have_begun(call.position())) {
    stop_running(link, call);  // Otherwise begin_next does it: the cancel word may contain the running call.
  }
  backlog_.set_timer(call);
}

void SentCalls::stop_running(WorkerLink& link, const Call& call) {
  std::uint64_t id = call.id();
  if (call.kind == CallKind::kBulk) {
    const CallDetails& details = call.details();
    const auto progress = link.transport->end().bulk_progress(call.position());
    id = details.bulk->first_id + details.first - details.harvested + (progress ? progress->done : 0);
  }
  link.transport->end().cancel(id);
}

bool SentCalls::take_back(WorkerLink& link, Call& call) {
  if (call.revoke_tried) {
    return false;
  }
  call.revoke_tried = true;
  return link.transport->end().revoke(call.position()) == Revoked::kTaken;
}

CallRef SentCalls::take_out(WorkerLink& link, const Call& call) {
  const bool was_front = link.in_flight.front_position() == call.position();
  CallRef taken = link.in_flight.take(call.position());
  if (was_front) {
    begin_next(link);
  }
  roster_.relist(link);
  if (link.reaper.direct()) {
    // Wakes the directly waiting thread, so that it sees that its call has been taken back.
    link.transport->end().wake_host();
  }
  return taken;
}

CallRef SentCalls::take_items_back(WorkerLink& link, Call& call) {
  // Items are taken back even if the whole call could not be: its worker has begun it and may hang in any of its items.
  if (call.details().items_revoked || call.details().count < 2) {
    return nullptr;
  }
  call.make_details().items_revoked = true;
  // Set even if the worker has not reached the call yet: it will then run none of the items.
  call.revoke_tried = true;
  const auto begun = link.transport->end().revoke_items(call.position());
  if (!begun) {
    return nullptr;
  }
  const std::uint32_t gone = call.details().harvested;
  return *begun > gone && *begun < gone + call.details().count ? split_items(call, *begun - gone) : nullptr;
}

std::optional<Progress> SentCalls::progress(const Call& call) const {
  if (call.phase != Call::Phase::kSent) {
    return std::nullopt;
  }
  const auto report = slots_[call.slot].link->transport->end().progress();
  if (!report || report->call_id != call.id()) {
    return std::nullopt;
  }
  return Progress{report->done, report->total};
}

std::vector<CallRef> SentCalls::all() const {
  std::vector<CallRef> sent;
  for (const WorkerSlot& slot : slots_) {
    if (slot.link == nullptr) {
      continue;
    }
    const InFlight& in_flight = slot.link->in_flight;
    for (std::uint64_t position = in_flight.end_position(); position-- > in_flight.front_position();) {
      if (Call* call = in_flight.at(position)) {
        sent.push_back(CallRef::share(call));
      }
    }
  }
  return sent;
}

}  // namespace tenon::internal
