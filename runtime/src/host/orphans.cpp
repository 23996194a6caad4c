#include "host/orphans.hpp"

#include <algorithm>
#include <utility>

#include "base/text.hpp"
#include "host/bulk_parts.hpp"
#include "host/trials.hpp"

namespace tenon::internal {

namespace {

/// The signal with which other programs, and the kernel when memory is short, kill a process: it proves nothing about a
/// plugin.
constexpr int kKillSignal = 9;

/// The error of a call that its worker may have run.
Error unknown_error(WorkerLink& link, const Call& call) {
  Error error{ErrorCode::kCrashed, {}, CallLedger::context_of(call)};
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

}  // namespace

void Orphans::count_crash(const Call& call) {
  effects_->trouble = true;
  // A call that had crashed before, on this version or another, proves nothing about the version: its argument may be
  // the cause.
  if (call.kind != CallKind::kLoad && call.attempt <= 1) {
    call.run_route()->generation->counts.add_crash();
  }
}

void Orphans::settle_invalid(WorkerLink& link, CallRef call, std::uint64_t position, Error reason) {
  roster_.break_link(link, std::move(reason));
  count_crash(*call);
  const Autopsy autopsy(link.transport->end(), position, true, link.nested_once() != nullptr);
  if (call->kind == CallKind::kBulk) {
    recover_unknown_items(link, std::move(call), autopsy);
  } else {
    retry_or_crash(link, std::move(call), autopsy.all_repeatable());
  }
}

void Orphans::settle(WorkerLink& link, CallRef call, std::uint64_t position, const Autopsy& autopsy) {
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
  if (closing_.killing() || call->stop_reason == StopReason::kCancelled) {
    ledger_.finish_error(std::move(call), ErrorCode::kCancelled, "the call was cancelled before it began");
    return;
  }
  if (call->stop_reason == StopReason::kDeadline) {
    std::string why = call->deadline_text();
    ledger_.finish_error(std::move(call), ErrorCode::kDeadline, std::move(why));
    return;
  }
  // Operations of a session end with it; opening it again is always correct.
  const bool plain = call->kind == CallKind::kCall || call->kind == CallKind::kBulk;
  if (verdict == Autopsy::Verdict::kUnknown && plain &&
      !(call->route()->ref.task->idempotent && autopsy.all_repeatable())) {
    Error error = unknown_error(link, *call);
    ledger_.finish(std::move(call), fail(std::move(error)));
    return;
  }
  --call->attempt;
  if (call->kind == CallKind::kOpen) {
    call->details().session->link_id = 0;
  }
  backlog_.requeue(std::move(call));
}

void Orphans::retry_or_crash(WorkerLink& link, CallRef call, bool repeatable) {
  const ExitStatus status = link.handle->exit_status().value_or(ExitStatus{});
  ErrorContext context = CallLedger::context_of(*call);
  context.charged = true;
  context.signal = status.signal;
  context.exit_code = status.exit_code;
  link.describe_output(context);
  // The worker may have continued with the next call just before it was killed for the previous one; the next call is
  // not to blame.
  if (link.kill_reason && link.killed_call_id != 0 && link.killed_call_id == call->id()) {
    Error error = *link.kill_reason;
    error.context = std::move(context);
    ledger_.finish(std::move(call), fail(std::move(error)));
    return;
  }
  if (closing_.killing() || call->stop_reason == StopReason::kCancelled) {
    ledger_.finish(std::move(call),
                   fail(ErrorCode::kCancelled, "the call was cancelled and its worker ended", std::move(context)));
    return;
  }
  if (status.out_of_memory) {
    // Another attempt would need as much memory.
    ledger_.finish(std::move(call),
                   fail(ErrorCode::kOutOfMemory, "the worker that ran the call ended with " + status.to_string(),
                        std::move(context)));
    return;
  }
  if (call->stop_reason == StopReason::kDeadline) {
    std::string why = call->deadline_text() + " and its worker ended";
    ledger_.finish(std::move(call), fail(ErrorCode::kDeadline, std::move(why), std::move(context)));
    return;
  }
  const bool plain = call->kind == CallKind::kCall || call->kind == CallKind::kBulk;
  const bool idempotent = plain && call->route()->ref.task->idempotent;
  const bool diverted = call->details().diverted;
  const bool more = call->attempt < call->max_attempts || diverted;
  // A reason that names a call applies only to that call.
  const bool of_worker =
      link.kill_reason && link.killed_call_id == 0 && (link.distrusted || status.signal == kKillSignal);
  std::string ended =
      of_worker ? link.kill_reason->message : "the worker that ran the call ended with " + status.to_string();
  if (idempotent && repeatable && more && !closing_.stopping()) {
    warn(*effects_, link,
         call->route()->ref.task->full_name + " is tried again after attempt " + std::to_string(call->attempt) + ": " +
             ended);
    if (diverted) {
      Trials::undivert(*call);  // Runs on the old version, as if there had been no trial.
      call->attempt = 0;
    }
    backlog_.enqueue(*call.take(), true);
    return;
  }
  if (call->attempt > 1) {
    ended += ", as did those of the " + count_of(call->attempt - 1, "attempt", "attempts") + " before";
  }
  if (idempotent && !repeatable && more) {
    // A task is only as idempotent as the tasks that it calls.
    const HostRoute* nested = link.nested_once();
    ended += "; it is not tried again, because it had called " +
             (nested == nullptr ? "a task" : nested->ref.task->full_name) + ", which is not idempotent";
  }
  ledger_.finish(std::move(call), fail(ErrorCode::kCrashed, std::move(ended), std::move(context)));
}

void Orphans::recover_items(WorkerLink& link, CallRef call, std::uint64_t position, const Autopsy& autopsy) {
  const BulkRemains remains = autopsy.bulk_remains(position);
  if (!remains.intact) {
    recover_unknown_items(link, std::move(call), autopsy);
    return;
  }
  const auto& progress = remains.progress;
  const std::uint32_t gone = call->details().harvested;
  if (progress && progress->done > gone) {
    const std::uint32_t done = std::min(progress->done, gone + call->details().count);
    if (auto ended = bulk_.end_items(link, *call, done, progress->answers, 0); !ended) {
      const ExitStatus status = link.handle->exit_status().value_or(ExitStatus{});
      ledger_.fail_items(*call, done - gone,
                         Error{ErrorCode::kCrashed,
                               "the worker that ran the call ended with " + status.to_string() +
                                   " and left a broken answer: " + ended.error().message,
                               CallLedger::context_of(*call)});
    }
  }
  if (call->details().count == 0) {
    ledger_.close(std::move(call));
    return;
  }
  const bool in_item = !progress || remains.begun > progress->done;
  if (call->details().count > 1) {
    CallRef rest = split_items(*call, in_item ? 1 : 0);
    if (closing_.killing() || call->stop_reason != StopReason::kNone) {
      ledger_.finish_error(std::move(rest), ErrorCode::kCancelled, "the call was cancelled before it began");
    } else {
      backlog_.requeue(std::move(rest));
    }
  }
  if (call->details().count == 0) {
    ledger_.close(std::move(call));
  } else if (in_item) {
    retry_or_crash(link, std::move(call), autopsy.repeatable(position, progress ? progress->done : 0));
  } else {
    backlog_.take_returned(std::move(call));
  }
}

void Orphans::recover_unknown_items(WorkerLink& link, CallRef call, const Autopsy& autopsy) {
  const bool repeatable = call->route()->ref.task->idempotent && autopsy.all_repeatable();
  const std::uint32_t count = call->details().count;
  if (count == 1 || closing_.killing() || call->stop_reason != StopReason::kNone) {
    // With one item, it is certain which item was running.
    retry_or_crash(link, std::move(call), repeatable);
    return;
  }
  if (!repeatable) {
    Error error = unknown_error(link, *call);
    ledger_.finish(std::move(call), fail(std::move(error)));
    return;
  }
  // Running the items in smaller calls will show which of them killed the worker: no item is charged for another.
  --call->attempt;
  backlog_.requeue(split_items(*call, count / 2));
  backlog_.requeue(std::move(call));
}

}  // namespace tenon::internal
