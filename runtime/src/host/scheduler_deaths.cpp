/// The scheduler's part about workers that die: what becomes of what they had.
#include <algorithm>
#include <utility>

#include "base/text.hpp"
#include "host/scheduler.hpp"

namespace tenon::internal {

namespace {

/// By which others end a process, the system short of memory among them: it says nothing of a plugin.
constexpr int kKillSignal = 9;

}  // namespace

void Scheduler::break_link(WorkerLink& link, Error reason) {
  if (link.state == WorkerLink::State::kDead || link.kill_reason) {
    return;
  }
  warn(link, "worker " + std::to_string(link.id) + " is broken and is ended: " + reason.message);
  reason.code = ErrorCode::kCrashed;
  reason.message = "the worker broke the protocol and was ended: " + reason.message;
  link.kill_reason = std::move(reason);
  link.distrusted = true;
  if (link.state == WorkerLink::State::kReady) {
    link.state = WorkerLink::State::kStopping;  // Takes no further calls.
    relist(link);
  }
  link.kill();
}

void Scheduler::handle_invalid_reply(WorkerLink& link, CallRef call, std::uint64_t position, Error reason) {
  break_link(link, std::move(reason));
  count_crash(*call);
  const Autopsy autopsy(link.transport->end(), position, true, link.nested_once() != nullptr);
  if (call->kind == CallKind::kBulk) {
    recover_unknown_items(link, std::move(call), autopsy);
  } else {
    retry_or_crash(link, std::move(call), autopsy.all_repeatable());
  }
}

void Scheduler::on_exit(WorkerLink& link) {
  if (link.reaper.direct()) {
    // The thread that waits directly has the reaper's role; it buries the worker.
    link.reaper.note_exit();
    relist(link);
    link.transport->end().wake_host();
    return;
  }
  bury(link);
}

void Scheduler::bury(WorkerLink& link) {
  const WorkerSlot& slot = slots_[link.slot];
  const std::shared_ptr<WorkerLink> keep = slot.link;
  const bool was_ready = link.state != WorkerLink::State::kStarting;
  if (was_ready && !link.distrusted) {
    reap(link);  // What it answered before it died counts.
  }
  for (const OutputStream stream : {OutputStream::kOutput, OutputStream::kError}) {
    link.read_output(stream, effects_->log);
  }
  const bool expected = link.dismissed || stopping_ || killing_;
  link.state = WorkerLink::State::kDead;
  link.reaper.end();
  relist(link);
  set_streaming(link, false);
  const ExitStatus status = link.handle->exit_status().value_or(ExitStatus{});
  static_cast<void>(slots_.take(link.slot));
  effects_->buried.push_back(keep);
  effects_->changed = true;
  effects_->rearm = true;

  if (!expected) {
    ++crashed_workers_;
    if (was_ready) {
      warn(link, "worker " + std::to_string(link.id) + " ended with " + status.to_string() +
                     (slot.is_extra() ? "" : "; another one takes its place"));
    }
  }
  const Autopsy autopsy(link.transport->end(), link.in_flight.front_position(), link.distrusted,
                        link.nested_once() != nullptr);
  const bool ran =
      !link.in_flight.empty() && autopsy.of(link.in_flight.front_position()) != Autopsy::Verdict::kNotBegun;
  if (!expected && was_ready && !ran && !link.kill_reason && !link.ending_stall && status.signal != kKillSignal &&
      link.generations().size() == 1) {
    // A thread of the plugin ended it. With several plugins there it is not known whose.
    link.generations().front()->counts.add_idle_death();
    effects_->trouble = true;
  }
  // From the back, so that those that go back into the queue keep their order.
  for (std::uint64_t position = link.in_flight.end_position(); !link.in_flight.empty();) {
    if (link.in_flight.at(--position) != nullptr) {
      settle_orphan(link, link.in_flight.take(position), position, autopsy);
    }
  }
  fail_sessions(link.id, link.slot);
  if (slot.is_extra()) {
    effects_->trouble = true;
  }
  // One that the host itself ended on its way up, because the runtime ends, is not a failed start.
  if (!was_ready && !expected) {
    std::string message =
        "a worker could not be started: " +
        (link.refusal.empty() ? "it ended with " + status.to_string() + " before it was ready" : link.refusal);
    ErrorContext context;
    context.signal = status.signal;
    context.exit_code = status.exit_code;
    link.describe_output(context);
    if (!context.stderr_tail.empty()) {
      message += "; it wrote: " + printable(context.stderr_tail, 500);
    }
    note_start_failure(link.slot, Error{ErrorCode::kUnavailable, std::move(message), std::move(context)});
  } else {
    slots_.note_exit(link.slot, link.calls_done == 0 && !expected, monotonic_now_ns());
  }
  if (slot.is_extra()) {
    free_extra_slot(link.slot);
  }
  dispatch();
}

void Scheduler::settle_orphan(WorkerLink& link, CallRef call, std::uint64_t position, const Autopsy& autopsy) {
  const Autopsy::Verdict verdict = autopsy.of(position);
  if (verdict == Autopsy::Verdict::kRunning) {
    count_crash(*call);
    if (call->kind == CallKind::kBulk) {
      recover_items(link, std::move(call), position, autopsy);
    } else {
      retry_or_crash(link, std::move(call), autopsy.repeatable(position));
    }
    return;
  }
  if (killing_ || call->stop_reason == StopReason::kCancelled) {
    finish_error(std::move(call), ErrorCode::kCancelled, "the call was cancelled before it began");
    return;
  }
  if (call->stop_reason == StopReason::kDeadline) {
    std::string why = call->deadline_text();
    finish_error(std::move(call), ErrorCode::kDeadline, std::move(why));
    return;
  }
  // Operations of a session end with it, and opening again is always right.
  const bool plain = call->kind == CallKind::kCall || call->kind == CallKind::kBulk;
  if (verdict == Autopsy::Verdict::kUnknown && plain &&
      !(call->route()->ref.task->idempotent && autopsy.all_repeatable())) {
    Error error = unknown_error(link, *call);
    finish(std::move(call), fail(std::move(error)));
    return;
  }
  --call->attempt;
  if (call->kind == CallKind::kOpen) {
    call->details().session->link_id = 0;
  }
  requeue(std::move(call));
}

Error Scheduler::unknown_error(const WorkerLink& link, const Call& call) const {
  Error error{ErrorCode::kCrashed, {}, context_of(call)};
  const ExitStatus status = link.handle->exit_status().value_or(ExitStatus{});
  error.context.signal = status.signal;
  error.context.exit_code = status.exit_code;
  link.describe_output(error.context);
  error.message = link.kill_reason ? link.kill_reason->message
                                   : "the worker ended with " + status.to_string() +
                                         " after its records of what it had begun were written over";
  error.message += "; it is not known whether it ran the call, and ";
  if (!call.route()->ref.task->idempotent) {
    error.message += call.route()->ref.task->full_name + " is not idempotent";
  } else {
    const HostRoute* nested = link.nested_once();
    error.message += "the call may have called " + (nested == nullptr ? "a task" : nested->ref.task->full_name) +
                     ", which is not idempotent";
  }
  return error;
}

void Scheduler::retry_or_crash(WorkerLink& link, CallRef call, bool repeatable) {
  const ExitStatus status = link.handle->exit_status().value_or(ExitStatus{});
  ErrorContext context = context_of(*call);
  context.charged = true;
  context.signal = status.signal;
  context.exit_code = status.exit_code;
  link.describe_output(context);
  // It may have gone on to the next call just before it was killed for one; that one is not to blame.
  if (link.kill_reason && link.killed_call_id != 0 && link.killed_call_id == call->id()) {
    Error error = *link.kill_reason;
    error.context = std::move(context);
    finish(std::move(call), fail(std::move(error)));
    return;
  }
  if (killing_ || call->stop_reason == StopReason::kCancelled) {
    finish(std::move(call),
           fail(ErrorCode::kCancelled, "the call was cancelled and its worker ended", std::move(context)));
    return;
  }
  if (status.out_of_memory) {
    // A further attempt would need as much.
    finish(std::move(call), fail(ErrorCode::kOutOfMemory,
                                 "the worker that ran the call ended with " + status.to_string(), std::move(context)));
    return;
  }
  if (call->stop_reason == StopReason::kDeadline) {
    std::string why = call->deadline_text() + " and its worker ended";
    finish(std::move(call), fail(ErrorCode::kDeadline, std::move(why), std::move(context)));
    return;
  }
  const bool plain = call->kind == CallKind::kCall || call->kind == CallKind::kBulk;
  const bool idempotent = plain && call->route()->ref.task->idempotent;
  const bool diverted = call->details().diverted;
  const bool more = call->attempt < call->max_attempts || diverted;
  // A reason that names a call is that call's.
  const bool of_worker =
      link.kill_reason && link.killed_call_id == 0 && (link.distrusted || status.signal == kKillSignal);
  std::string ended =
      of_worker ? link.kill_reason->message : "the worker that ran the call ended with " + status.to_string();
  if (idempotent && repeatable && more && !stopping_) {
    warn(link, call->route()->ref.task->full_name + " is tried again after attempt " + std::to_string(call->attempt) +
                   ": " + ended);
    if (diverted) {
      Trials::undivert(*call);  // On the version that the trial was against, as if there had been no trial.
      call->attempt = 0;
    }
    enqueue(*call.take(), true);
    return;
  }
  if (call->attempt > 1) {
    ended += ", as did those of the " + count_of(call->attempt - 1, "attempt", "attempts") + " before";
  }
  if (idempotent && !repeatable && more) {
    // A task is as idempotent as those that it calls.
    const HostRoute* nested = link.nested_once();
    ended += "; it is not tried again, because it had called " +
             (nested == nullptr ? "a task" : nested->ref.task->full_name) + ", which is not idempotent";
  }
  finish(std::move(call), fail(ErrorCode::kCrashed, std::move(ended), std::move(context)));
}

void Scheduler::fail_sessions(std::uint64_t link_id, std::uint32_t slot) {
  std::vector<Call*> lost;
  std::vector<Call*> kept;
  const CallQueue& pinned = slots_[slot].pinned;
  while (Call* call = pinned.front()) {
    dequeue(*call);
    (call->session_bound && call->details().session->link_id == link_id ? lost : kept).push_back(call);
  }
  for (Call* call : kept) {
    slots_.push(*call, false);
  }
  for (Call* call : lost) {
    Error error = lost_session_error(*call);
    finish(CallRef::adopt(call), fail(std::move(error)));
  }
}

}  // namespace tenon::internal
