/// The scheduler's part about time: cancelling calls, and what their deadlines and the reactor's clock bring about.
#include <algorithm>
#include <utility>

#include "base/hot.hpp"
#include "base/text.hpp"
#include "host/scheduler.hpp"
#include "platform/debugger.hpp"

namespace tenon::internal {

namespace {

/// Between two looks at a call that is to be killed once its turn comes; cancel_grace may be 0.
constexpr std::int64_t kShortestGraceNs = 1'000'000;
/// Between two looks at a call whose worker a debugger holds.
constexpr std::int64_t kShortestDebugNs = 250'000'000;

/// While a debugger holds the worker of a call, the call's time stands still: each limit that passes starts anew.
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

// -- cancelling and deadlines -----------------------------------------------------------------

bool Scheduler::cancel(Call& call) {
  if (call.phase == Call::Phase::kQueued) {
    dequeue(call);
    finish_error(CallRef::adopt(&call), ErrorCode::kCancelled, "the call was cancelled before it began");
    return true;
  }
  if (call.phase != Call::Phase::kSent || call.stop_reason != StopReason::kNone) {
    return false;
  }
  WorkerLink& link = *slots_[call.slot].link;
  if (call.kind == CallKind::kBulk) {
    if (CallRef rest = take_items_back(link, call)) {
      finish_error(std::move(rest), ErrorCode::kCancelled, "the call was cancelled before it began");
    }
  }
  if (take_back(link, call)) {
    finish_error(take_out(link, call), ErrorCode::kCancelled, "the call was cancelled before it began");
    return true;
  }
  ask_to_stop(link, call, StopReason::kCancelled);
  return false;
}

bool Scheduler::cancel_queued(Call& call) {
  const bool queued = call.phase == Call::Phase::kQueued;
  const bool sent = call.phase == Call::Phase::kSent && call.stop_reason == StopReason::kNone;
  if (queued || (sent && !has_begun(call) && take_back(*slots_[call.slot].link, call))) {
    if (queued) {
      dequeue(call);
    }
    finish_error(queued ? CallRef::adopt(&call) : take_out(*slots_[call.slot].link, call), ErrorCode::kCancelled,
                 "the call was cancelled before it began");
    return true;
  }
  return false;
}

bool Scheduler::started(const Call& call) const {
  return call.phase == Call::Phase::kDone || (call.phase == Call::Phase::kSent && has_begun(call));
}

bool Scheduler::has_begun(const Call& call) const {
  return slots_[call.slot].link->transport->end().may_have_begun(call.position());
}

void Scheduler::ask_to_stop(WorkerLink& link, Call& call, StopReason reason) {
  call.stop_reason = reason;
  call.make_details().kill_at_ns = later(monotonic_now_ns(), options_.cancel_grace_ns);
  if (&link.in_flight.front() == &call || link.transport->end().may_have_begun(call.position())) {
    stop_running(link, call);  // Otherwise begin_next does: the word may hold the call that runs.
  }
  set_timer(call);
}

std::vector<CallRef> Scheduler::sent_calls() const {
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

void Scheduler::cancel_all() {
  fail_queued(Error{ErrorCode::kCancelled, "the runtime was shut down before the call began", {}});
  for (const CallRef& call : sent_calls()) {
    cancel(*call);
  }
}

void Scheduler::cancel_all_queued() {
  takes_back_ = false;
  fail_queued(Error{ErrorCode::kCancelled, "the runtime was shut down before the call began", {}});
  for (const CallRef& call : sent_calls()) {
    if (call->kind == CallKind::kBulk && call->phase == Call::Phase::kSent) {
      if (CallRef rest = take_items_back(*slots_[call->slot].link, *call)) {
        finish_error(std::move(rest), ErrorCode::kCancelled, "the call was cancelled before it began");
      }
    }
    cancel_queued(*call);
  }
}

std::optional<Progress> Scheduler::progress(const Call& call) {
  if (call.phase != Call::Phase::kSent) {
    return std::nullopt;
  }
  const auto report = slots_[call.slot].link->transport->end().progress();
  if (!report || report->call_id != call.id()) {
    return std::nullopt;
  }
  return Progress{report->done, report->total};
}

TENON_HOT void Scheduler::set_timer(Call& call) {
  if (!call.has_details()) {
    return;  // Nothing of it is bound to a time.
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

void Scheduler::on_call_timer(Call& call, MonotonicNs now_ns) {
  CallDetails& details = call.make_details();
  const bool late = details.deadline_ns <= now_ns;
  if (call.stop_reason == StopReason::kNone) {
    details.passed = late                                ? TimeLimit::kTimeout
                     : details.run_deadline_ns <= now_ns ? TimeLimit::kRunTimeout
                                                         : TimeLimit::kQueueTimeout;
  }
  if (call.phase == Call::Phase::kQueued) {
    dequeue(call);
    std::string why = call.deadline_text();
    finish_error(CallRef::adopt(&call), ErrorCode::kDeadline, std::move(why));
    return;
  }
  WorkerLink& link = *slots_[call.slot].link;
  if (call.stop_reason != StopReason::kCancelled && link.transport->end().may_have_begun(call.position()) &&
      debugger_attached(link.handle->pid())) {
    details.queue_deadline_ns = kNever;  // It has begun.
    renew_limits(details, now_ns, options_.cancel_grace_ns);
    set_timer(call);
    return;
  }
  if (details.kill_at_ns <= now_ns) {
    // Asked to stop, and still here; unless its answer, or that of the call before it, waits to be read.
    if (!link.reaper.direct()) {
      const CallRef keep = CallRef::share(&call);
      reap(link);
      if (call.phase != Call::Phase::kSent || link.kill_reason) {
        return;
      }
    }
    const bool began = &call == &link.in_flight.front();
    if (!began) {
      // Not its turn yet: it will be returned, or asked again when it runs.
      details.kill_at_ns = later(now_ns, std::max(options_.cancel_grace_ns, kShortestGraceNs));
      set_timer(call);
      return;
    }
    ErrorContext context = context_of(call);
    Error reason = call.stop_reason == StopReason::kDeadline
                       ? Error{ErrorCode::kDeadline,
                               call.deadline_text() + " and did not stop within cancel_grace; its worker was ended",
                               std::move(context)}
                       : Error{ErrorCode::kCancelled,
                               "the call was cancelled and did not stop within cancel_grace; its worker was ended",
                               std::move(context)};
    details.kill_at_ns = kNever;
    set_timer(call);
    link.kill_reason = std::move(reason);
    link.killed_call_id = call.id();
    link.kill();
    return;
  }
  const bool begun = link.transport->end().may_have_begun(call.position());
  if (!begun && &call == &link.in_flight.front()) {
    suspect_at_once(link);
  }
  if (!begun && !late && details.run_deadline_ns <= now_ns) {
    // Its time to run begins with the attempt, which no worker has begun.
    details.run_deadline_ns = later(now_ns, details.run_timeout_ns);
    if (link.suspected) {
      relieve_stalled(link, false);
    }
    if (call.phase == Call::Phase::kSent) {
      set_timer(call);
    }
    return;
  }
  if (!begun && take_back(link, call)) {
    std::string why = call.deadline_text();
    finish_error(take_out(link, call), ErrorCode::kDeadline, std::move(why));
    return;
  }
  if (late || details.run_deadline_ns <= now_ns) {
    ask_to_stop(link, call, StopReason::kDeadline);
  } else {
    // It has begun in time: the queue's deadline concerns it no more.
    details.queue_deadline_ns = kNever;
    set_timer(call);
  }
}

void Scheduler::on_timer(MonotonicNs now_ns) {
  while (Call* call = timers_.take_due(now_ns)) {
    on_call_timer(*call, now_ns);
  }
  if (next_tick_ns_ <= now_ns) {
    on_tick(now_ns);
  }
  if (next_bell_check_ns_ <= now_ns) {
    check_bells(now_ns);
  }
  if (next_look_ns_ <= now_ns) {
    look_for_stalls(now_ns);
  }
  for (const WorkerSlot& slot : slots_) {
    if (slot.link == nullptr || slot.link->reaper.exited()) {
      continue;
    }
    WorkerLink& link = *slot.link;
    if (link.state == WorkerLink::State::kStarting && link.start_deadline_ns <= now_ns) {
      const bool debugged = debugger_attached(link.handle->pid());
      link.start_deadline_ns = debugged ? later(now_ns, kShortestDebugNs) : kNever;
      if (!debugged) {
        link.refusal = "it did not answer within start_timeout";
        link.kill();
      }
    }
    if (link.stop_deadline_ns <= now_ns) {
      const bool debugged = !stopping_ && debugger_attached(link.handle->pid());
      link.stop_deadline_ns = debugged ? later(now_ns, kShortestDebugNs) : kNever;
      if (!debugged) {
        link.kill();
      }
    }
    if (link.session_deadline_ns <= now_ns) {
      end_overstayed(link, now_ns);
    }
    if (slot.is_extra()) {
      dismiss_if_done(link);
    }
  }
  dispatch();
}

MonotonicNs Scheduler::next_deadline() const noexcept {
  constexpr MonotonicNs kRetryNs = 5'000'000;
  MonotonicNs next_ns = std::min(
      {retry_place_ns_, next_tick_ns_, next_bell_check_ns_, next_look_ns_, timers_.next_ns(), slots_.next_start_ns()});
  for (const WorkerSlot& slot : slots_) {
    if (slot.link != nullptr) {
      next_ns = std::min(
          {next_ns, slot.link->start_deadline_ns, slot.link->stop_deadline_ns, slot.link->session_deadline_ns});
      if (!slot.link->outbox_empty()) {
        next_ns = std::min(next_ns, later(monotonic_now_ns(), kRetryNs));
      }
    }
  }
  return next_ns;
}

}  // namespace tenon::internal
