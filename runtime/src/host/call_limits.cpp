#include "host/call_limits.hpp"

#include <algorithm>
#include <utility>

#include "platform/debugger.hpp"

namespace tenon::internal {

namespace {

/// Shortest time between two checks of a call that is to be killed once its turn comes; cancel_grace may be 0.
constexpr std::int64_t kShortestGraceNs = 1'000'000;
/// Shortest time between two checks of a call whose worker is being debugged.
constexpr std::int64_t kShortestDebugNs = 250'000'000;

/// While a debugger is attached to a call's worker, time does not count for the call: each expired limit restarts.
void renew_limits(CallDetails& details, MonotonicNs now_ns, std::int64_t cancel_grace_ns) {
  const auto renewed = [now_ns](std::int64_t limit_ns) { return later(now_ns, std::max(limit_ns, kShortestDebugNs)); };
  if (details.kill_at_ns <= now_ns) {
    details.kill_at_ns = renewed(cancel_grace_ns);
  }
  if (details.deadline_ns <= now_ns) {
    details.deadline_ns = renewed(details.timeout_ns == kNever ? 0 : details.timeout_ns);
  }
  if (details.run_deadline_ns <= now_ns) {
    details.run_deadline_ns = renewed(details.run_timeout_ns);
  }
}

}  // namespace

CallLimits::CallLimits(std::int64_t cancel_grace_ns, const Parts& parts) noexcept
    : cancel_grace_ns_(cancel_grace_ns),
      slots_(parts.slots),
      timers_(parts.timers),
      ledger_(parts.ledger),
      backlog_(parts.backlog),
      sent_(parts.sent),
      recall_(parts.recall),
      replies_(parts.replies),
      stalls_(parts.stalls) {}

bool CallLimits::cancel(Call& call) {
  if (call.phase == Call::Phase::kQueued) {
    backlog_.dequeue(call);
    ledger_.finish_error(CallRef::adopt(&call), ErrorCode::kCancelled, "the call was cancelled before it began");
    return true;
  }
  if (call.phase != Call::Phase::kSent || call.stop_reason != StopReason::kNone) {
    return false;
  }
  WorkerLink& link = *slots_[call.slot].link;
  if (call.kind == CallKind::kBulk) {
    if (CallRef rest = sent_.take_items_back(link, call)) {
      ledger_.finish_error(std::move(rest), ErrorCode::kCancelled, "the call was cancelled before it began");
    }
  }
  if (sent_.take_back(link, call)) {
    ledger_.finish_error(sent_.take_out(link, call), ErrorCode::kCancelled, "the call was cancelled before it began");
    return true;
  }
  sent_.ask_to_stop(link, call, StopReason::kCancelled);
  return false;
}

bool CallLimits::cancel_queued(Call& call) {
  const bool queued = call.phase == Call::Phase::kQueued;
  const bool sent = call.phase == Call::Phase::kSent && call.stop_reason == StopReason::kNone;
  if (queued || (sent && !has_begun(slots_, call) && sent_.take_back(*slots_[call.slot].link, call))) {
    if (queued) {
      backlog_.dequeue(call);
    }
    ledger_.finish_error(queued ? CallRef::adopt(&call) : sent_.take_out(*slots_[call.slot].link, call),
                         ErrorCode::kCancelled, "the call was cancelled before it began");
    return true;
  }
  return false;
}

bool CallLimits::started(const Call& call) const {
  return call.phase == Call::Phase::kDone || (call.phase == Call::Phase::kSent && has_begun(slots_, call));
}

void CallLimits::cancel_all() {
  backlog_.fail_all(Error{ErrorCode::kCancelled, "the runtime was shut down before the call began", {}});
  for (const CallRef& call : sent_.all()) {
    cancel(*call);
  }
}

void CallLimits::cancel_all_queued() {
  backlog_.fail_all(Error{ErrorCode::kCancelled, "the runtime was shut down before the call began", {}});
  for (const CallRef& call : sent_.all()) {
    if (call->kind == CallKind::kBulk && call->phase == Call::Phase::kSent) {
      if (CallRef rest = sent_.take_items_back(*slots_[call->slot].link, *call)) {
        ledger_.finish_error(std::move(rest), ErrorCode::kCancelled, "the call was cancelled before it began");
      }
    }
    cancel_queued(*call);
  }
}

void CallLimits::on_timer(MonotonicNs now_ns) {
  while (Call* call = timers_.take_due(now_ns)) {
    pass(*call, now_ns);
  }
}

void CallLimits::pass(Call& call, MonotonicNs now_ns) {
  CallDetails& details = call.make_details();
  const bool late = details.deadline_ns <= now_ns;
  if (call.stop_reason == StopReason::kNone) {
    details.passed = late                                ? TimeLimit::kTimeout
                     : details.run_deadline_ns <= now_ns ? TimeLimit::kRunTimeout
                                                         : TimeLimit::kQueueTimeout;
  }
  if (call.phase == Call::Phase::kQueued) {
    backlog_.dequeue(call);
    std::string why = call.deadline_text();
    ledger_.finish_error(CallRef::adopt(&call), ErrorCode::kDeadline, std::move(why));
    return;
  }
  WorkerLink& link = *slots_[call.slot].link;
  if (call.stop_reason != StopReason::kCancelled && link.transport->end().may_have_begun(call.position()) &&
      debugger_attached(link.handle->pid())) {
    details.queue_deadline_ns = kNever;  // The call has begun.
    renew_limits(details, now_ns, cancel_grace_ns_);
    backlog_.set_timer(call);
    return;
  }
  if (details.kill_at_ns <= now_ns) {
    kill_worker_of(call, now_ns);
    return;
  }
  const bool begun = link.transport->end().may_have_begun(call.position());
  if (!begun && &call == &link.in_flight.front()) {
    stalls_.suspect_at_once(link);
  }
  if (!begun && !late && details.run_deadline_ns <= now_ns) {
    // The run timeout counts from the start of the attempt, and no worker has started it.
    details.run_deadline_ns = later(now_ns, details.run_timeout_ns);
    if (link.suspected) {
      recall_.relieve_stalled(link, false);
    }
    if (call.phase == Call::Phase::kSent) {
      backlog_.set_timer(call);
    }
    return;
  }
  if (!begun && sent_.take_back(link, call)) {
    std::string why = call.deadline_text();
    ledger_.finish_error(sent_.take_out(link, call), ErrorCode::kDeadline, std::move(why));
    return;
  }
  if (late || details.run_deadline_ns <= now_ns) {
    sent_.ask_to_stop(link, call, StopReason::kDeadline);
  } else {
    // The call has begun in time: its queue deadline no longer matters.
    details.queue_deadline_ns = kNever;
    backlog_.set_timer(call);
  }
}

void CallLimits::kill_worker_of(Call& call, MonotonicNs now_ns) {
  WorkerLink& link = *slots_[call.slot].link;
  CallDetails& details = call.make_details();
  // The call was asked to stop and is still there, unless its reply, or that of the call before it, is waiting to be
  // read.
  if (!link.reaper.direct()) {
    const CallRef keep = CallRef::share(&call);
    replies_.reap(link);
    if (call.phase != Call::Phase::kSent || link.kill_reason) {
      return;
    }
  }
  const bool began = &call == &link.in_flight.front();
  if (!began) {
    // It is not its turn yet: the worker will return it, or it is asked again when it runs.
    details.kill_at_ns = later(now_ns, std::max(cancel_grace_ns_, kShortestGraceNs));
    backlog_.set_timer(call);
    return;
  }
  ErrorContext context = CallLedger::context_of(call);
  Error reason = call.stop_reason == StopReason::kDeadline
                     ? Error{ErrorCode::kDeadline,
                             call.deadline_text() + " and did not stop within cancel_grace; its worker was ended",
                             std::move(context)}
                     : Error{ErrorCode::kCancelled,
                             "the call was cancelled and did not stop within cancel_grace; its worker was ended",
                             std::move(context)};
  details.kill_at_ns = kNever;
  backlog_.set_timer(call);
  link.kill_reason = std::move(reason);
  link.killed_call_id = call.id();
  link.kill();
}

}  // namespace tenon::internal
