/// The scheduler's part about answers: who looks for them, and what they end.
#include <algorithm>
#include <utility>

#include <tenon/plugin.h>

#include "base/hot.hpp"
#include "base/text.hpp"
#include "host/scheduler.hpp"

namespace tenon::internal {

namespace {

constexpr std::size_t kMaxErrorBytes = 8192;
/// Answers found at once from which on a worker's calls count as a stream of short ones.
constexpr std::size_t kStreamAnswers = 8;
/// How many answers beyond the next one a stream may gather before the worker rings.
constexpr std::uint64_t kStreamBell = 256;
constexpr std::int64_t kTickNs = 1'000'000;

}  // namespace

// -- answers ----------------------------------------------------------------------------------

TENON_HOT void Scheduler::ensure_reaper(WorkerLink& link) {
  for (int tries = 0; !link.reaper.direct() && !link.in_flight.empty(); ++tries) {
    const std::uint64_t position = link.in_flight.front_position() + (link.streaming ? kStreamBell : 0);
    if (link.reaper.reactor_comes()) {
      if (link.reaper.armed_elsewhere(position)) {
        link.reaper.move_bell(position);
        link.transport->end().move_bell(position);
      }
      return;
    }
    if (link.transport->end().arm_event_bell(position)) {
      link.reaper.arm(position);
      if (next_bell_check_ns_ == kNever) {
        next_bell_check_ns_ = monotonic_now_ns() + BellWatch::kIntervalNs;
        effects_->rearm = true;
      }
      return;
    }
    // There is an answer already. After some of them the reactor goes on, as if the bell had rung.
    if (tries == 2) {
      link.reaper.postpone();
      due_.push_back(link.id);
      effects_->again = true;
      return;
    }
    reap_aside(link);
  }
}

void Scheduler::set_streaming(WorkerLink& link, bool streaming) noexcept {
  if (link.streaming == streaming) {
    return;
  }
  link.streaming = streaming;
  link.held = false;
  if (!slots_[link.slot].is_extra()) {
    relist(link);
  }
  if (!streaming) {
    --streaming_links_;
    return;
  }
  link.done_at_tick = link.calls_done;
  ++streaming_links_;
  if (next_tick_ns_ == kNever) {
    next_tick_ns_ = monotonic_now_ns() + kTickNs;
    effects_->rearm = true;
  }
}

void Scheduler::on_tick(MonotonicNs now_ns) {
  next_tick_ns_ = kNever;
  for (const WorkerSlot& slot : slots_) {
    if (slot.link == nullptr || !slot.link->streaming) {
      continue;
    }
    WorkerLink& link = *slot.link;
    if (!link.reaper.direct()) {
      reap(link);
    }
    harvest(link);
    // One that has answered nothing in the meantime rings for its next answer, so that nobody waits for a tick. What
    // its bulk call has answered is still looked for.
    const bool bulk = !link.in_flight.empty() && link.in_flight.front().kind == CallKind::kBulk;
    link.held =
        bulk && link.calls_done == link.done_at_tick && now_ns - link.in_flight.front().details().sent_ns >= kTickNs;
    relist(link);
    if (link.calls_done == link.done_at_tick && !bulk) {
      set_streaming(link, false);
    }
    if (!link.streaming || link.held) {
      relieve(link);
    }
    link.done_at_tick = link.calls_done;
    ensure_reaper(link);
  }
  if (WorkerLink* idle = board_.idle()) {
    steal_for(*idle);
  }
  if (streaming_links_ > 0) {
    next_tick_ns_ = now_ns + kTickNs;
  }
}

void Scheduler::check_bells(MonotonicNs now_ns) {
  next_bell_check_ns_ = kNever;
  for (const WorkerSlot& slot : slots_) {
    const std::shared_ptr<WorkerLink> link = slot.link;
    if (link == nullptr || !link->reaper.reactor_comes() || link->in_flight.empty()) {
      continue;
    }
    next_bell_check_ns_ = now_ns + BellWatch::kIntervalNs;
    // A stream's answers are looked for at each tick, and its worker need not ring for them.
    if (link->streaming || !link->transport->end().has_completion()) {
      continue;
    }
    const bool lost = link->bell_watch.missed();
    take_rung(*link);
    if (lost) {
      break_link(*link, Error{ErrorCode::kCorrupt, "it answers calls without ringing for them", {}});
    }
  }
}

void Scheduler::relieve(WorkerLink& link) {
  if (link.in_flight.empty() || board_.idle() == nullptr) {
    return;  // Whoever becomes idle takes its share.
  }
  for (std::uint64_t position = link.in_flight.end_position(); --position > link.in_flight.front_position();) {
    Call* call = link.in_flight.at(position);
    if (call != nullptr && call->details().pinned_slot < 0) {
      move_back(link, *call);
    }
  }
  split_running(link);
  relist(link);
}

void Scheduler::on_due_bells() {
  for (const std::uint64_t id : std::exchange(due_, {})) {
    if (WorkerLink* link = slots_.find(id); link != nullptr && link->reaper.due()) {
      take_rung(*link);
    }
  }
}

void Scheduler::on_bell(WorkerLink& link) {
  link.bell_watch.rang();
  take_rung(link);
}

void Scheduler::take_rung(WorkerLink& link) {
  if (!link.reaper.rang()) {
    return;  // A ring from before the direct thread took the role.
  }
  if (reap(link) < 2 && link.in_flight.empty()) {
    set_streaming(link, false);
  }
  steal_for(link);
  dispatch();
  ensure_reaper(link);
}

TENON_HOT bool Scheduler::reap_direct(WorkerLink& link, const Call& call) {
  reap(link);
  if (link.reaper.exited()) {
    bury(link);
    return true;
  }
  // Not done, and not taken back for another worker either: it is still this worker's.
  if (call.phase == Call::Phase::kSent && slots_[call.slot].link.get() == &link) {
    return false;
  }
  leave_role(link);
  return true;
}

TENON_HOT void Scheduler::leave_role(WorkerLink& link) {
  if (link.reaper.exited()) {
    bury(link);
    return;
  }
  link.reaper.give_back();
  steal_for(link);
  if (!queue_.empty() || slots_.pinned_calls() > 0) {
    dispatch();
  }
  ensure_reaper(link);
}

void Scheduler::reap_round() {
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    reap_cursor_ = reap_cursor_ + 1 < slots_.size() ? reap_cursor_ + 1 : 0;
    WorkerLink* link = slots_[reap_cursor_].link.get();
    if (link != nullptr && !link->reaper.direct() && link->transport->end().has_completion()) {
      reap(*link);
      steal_for(*link);
      dispatch();
      ensure_reaper(*link);
      return;
    }
  }
}

void Scheduler::reap_aside(WorkerLink& link) {
  reap(link);
  steal_for(link);
  effects_->again = effects_->again || !queue_.empty() || slots_.pinned_calls() > 0;
}

TENON_HOT std::size_t Scheduler::reap(WorkerLink& link) {
  // What found the release ring full would otherwise wait for a further release, which may never come.
  link.transport->flush_releases();
  std::size_t count = 0;
  Completion completion;
  for (;; ++count) {
    auto popped = link.transport->end().pop(completion);
    if (!popped) {
      break_link(link, std::move(popped.error()));
      break;
    }
    if (!*popped) {
      break;
    }
    if (link.in_flight.empty() || link.in_flight.front_position() != completion.position) {
      break_link(link, Error{ErrorCode::kCorrupt, "the worker answered a call that it does not have", {}});
      break;
    }
    complete(link, completion);
  }
  if (count > 0) {
    link.sent_since_reap = 0;
    if (count >= kStreamAnswers) {
      set_streaming(link, true);
    }
    relist(link);
  }
  return count;
}

void Scheduler::complete_returned(CallRef call) {
  --call->attempt;
  if (call->stop_reason == StopReason::kNone && (takes_back_ || call->attempt > 0)) {
    requeue(std::move(call));
  } else if (call->stop_reason != StopReason::kDeadline) {
    finish_error(std::move(call), ErrorCode::kCancelled, "the call was cancelled before it began");
  } else {
    std::string why = call->deadline_text();
    finish_error(std::move(call), ErrorCode::kDeadline, std::move(why));
  }
}

TENON_HOT void Scheduler::complete(WorkerLink& link, const Completion& completion) {
  CallRef call = link.in_flight.pop_front();
  link.held = false;
  begin_next(link);
  if (completion.descriptor.kind == CompletionKind::kReturned) {
    complete_returned(std::move(call));
    return;
  }
  slots_.note_answer(link.slot);
  const auto run_ns = static_cast<std::int64_t>(std::min<std::uint64_t>(completion.descriptor.run_ns, kLongestRunNs));
  link.mean_run_ns = link.mean_run_ns == 0 ? run_ns : std::max<std::int64_t>((link.mean_run_ns * 7 + run_ns) / 8, 1);
  const std::int64_t step_ns = median_run_ns_ / 8 + 1;
  median_run_ns_ = median_run_ns_ == 0
                       ? run_ns
                       : std::max<std::int64_t>(median_run_ns_ + (run_ns > median_run_ns_ ? step_ns : -step_ns), 1);
  if (call->kind == CallKind::kBulk) {
    complete_bulk(link, std::move(call), completion);
    return;
  }
  ++link.calls_done;
  const tenon_status_t status = completion.descriptor.status;
  if (call->kind != CallKind::kLoad) {
    note_wear(link, 1);
    const bool failed = status != TENON_OK && status != TENON_CANCELLED && status != TENON_DEADLINE;
    call->run_route()->generation->counts.add(1, failed ? 1 : 0, run_ns);
  }
  if (call->kind == CallKind::kOpen || call->kind == CallKind::kClose) {
    link.note_session(call->details().session, call->kind == CallKind::kOpen && status == TENON_OK);
  } else if ((completion.descriptor.flags & kCompletionSessionEnded) != 0 && call->details().session != nullptr) {
    // Its handle may be kept for long: that is no reason for the worker to stay.
    call->details().session->ended = true;
    link.note_session(call->details().session, false);
  }
  if (call->kind != CallKind::kCall) {
    call->make_details().completion_flags = completion.descriptor.flags;
  } else if (status != TENON_OK && call->stop_reason == StopReason::kNone && call->details().diverted &&
             (completion.descriptor.flags & kCompletionUnrepeatable) == 0) {
    // Nobody is to suffer from a trial: the version that it is tried against answers.
    if (!completion.descriptor.payload.absent() && !completion.descriptor.payload.is_inline()) {
      link.transport->release(completion.descriptor.payload);
    }
    Trials::undivert(*call);
    call->attempt = 0;
    enqueue(*call.take(), true);
    return;
  }
  if (auto stored = store_end(link, *call, completion); !stored) {
    handle_invalid_reply(link, std::move(call), completion.position, std::move(stored.error()));
    return;
  }
  close(std::move(call));
}

std::string Scheduler::message_of(BytesView bytes) {
  // Copied first: the worker can still write what lies in its result memory.
  const std::string text(reinterpret_cast<const char*>(bytes.data()), std::min(bytes.size(), kMaxErrorBytes + 1));
  return printable(text, kMaxErrorBytes);
}

Error Scheduler::error_of(const Call& call, ErrorCode code, std::string message) {
  if (call.stop_reason == StopReason::kDeadline && code == ErrorCode::kCancelled) {
    // The worker's poll knows cancellation alone; the reason was a deadline.
    code = ErrorCode::kDeadline;
    message = call.deadline_text();
  } else if (code == ErrorCode::kDeadline && monotonic_now_ns() >= call.details().deadline_ns) {
    // The worker's clock was the first to see it.
    message = call.deadline_text(TimeLimit::kTimeout);
  } else if (code == ErrorCode::kDeadline && monotonic_now_ns() >= call.details().run_deadline_ns) {
    message = call.deadline_text(TimeLimit::kRunTimeout);
  }
  ErrorContext context = context_of(call);
  context.charged = code == ErrorCode::kDeadline;
  return Error{code, std::move(message), std::move(context)};
}

TENON_HOT Result<void> Scheduler::store_end(WorkerLink& link, Call& call, const Completion& completion) {
  const CompletionDescriptor& descriptor = completion.descriptor;
  auto bytes = link.segments.resolve(descriptor.payload, completion.inline_payload(), "result");
  if (!bytes) {
    return fail(std::move(bytes.error()));
  }
  const bool in_arena = !descriptor.payload.absent() && !descriptor.payload.is_inline();
  if (descriptor.status != TENON_OK) {
    std::string message = message_of(*bytes);
    if (in_arena) {
      link.transport->release(descriptor.payload);
    }
    ++failed_;
    call.end(fail(error_of(call, static_cast<ErrorCode>(descriptor.status), std::move(message))));
    return {};
  }
  ++succeeded_;
  if ((descriptor.flags & kCompletionArgument) != 0) {
    call.end_with_argument();
  } else if (descriptor.payload.absent()) {
    call.end(Reply());
  } else if (!in_arena) {
    if (call.stored() != nullptr) {
      effects_->released.push_back(call.take_stored());  // Its place may be the result's.
    }
    call.end_with_copy(*bytes);
  } else if (bytes->size() <= kCopiedResultBytes) {
    StoredBytes copy = copy_to_host(*bytes, call.run_route()->generation);
    link.transport->release(descriptor.payload);
    call.end(Reply(std::move(copy.storage), copy.bytes));
  } else {
    StoredBytes lease = link.transport->lease(descriptor.payload, *bytes, call.run_route()->generation);
    call.end(Reply(std::move(lease.storage), lease.bytes));
  }
  return {};
}

}  // namespace tenon::internal
