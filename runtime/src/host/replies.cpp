#include "host/replies.hpp"

#include <algorithm>
#include <utility>

#include <tenon/plugin.h>

#include "base/hot.hpp"
#include "base/text.hpp"
#include "base/try.hpp"
#include "host/trials.hpp"

namespace tenon::internal {

namespace {

constexpr std::size_t kMaxErrorBytes = 8192;
/// Number of replies found at once from which a worker's calls count as a stream of short ones.
constexpr std::size_t kStreamAnswers = 8;
/// Number of replies after the next one that a stream may gather before the worker rings.
constexpr std::uint64_t kStreamBell = 256;

std::string message_of(BytesView bytes) {
  // Copied first: the worker can still write to its result memory.
  const std::string text(reinterpret_cast<const char*>(bytes.data()), std::min(bytes.size(), kMaxErrorBytes + 1));
  return printable(text, kMaxErrorBytes);
}

}  // namespace

Replies::Replies(const Parts& parts) noexcept
    : slots_(parts.slots),
      wear_(parts.wear),
      roster_(parts.roster),
      ledger_(parts.ledger),
      backlog_(parts.backlog),
      sent_(parts.sent),
      recall_(parts.recall),
      bulk_(parts.bulk),
      orphans_(parts.orphans),
      effects_(parts.effects) {}

TENON_HOT void Replies::ensure_reaper(WorkerLink& link) {
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
    // A reply has already arrived. After a few of them the reactor continues as if the bell had rung.
    if (tries == 2) {
      link.reaper.postpone();
      due_.push_back(link.id);
      effects_->again = true;
      return;
    }
    reap_aside(link);
  }
}

std::vector<Replies::Missed> Replies::check_bells(MonotonicNs now_ns) {
  next_bell_check_ns_ = kNever;
  std::vector<Missed> missed;
  for (const WorkerSlot& slot : slots_) {
    WorkerLink* const link = slot.link.get();
    if (link == nullptr || !link->reaper.reactor_comes() || link->in_flight.empty()) {
      continue;
    }
    next_bell_check_ns_ = now_ns + BellWatch::kIntervalNs;
    // A stream's completions are polled at each tick, and its worker need not ring for them.
    if (!link->streaming && link->transport->end().has_completion()) {
      missed.push_back({slot.link, link->bell_watch.missed()});
    }
  }
  return missed;
}

WorkerLink* Replies::next_replied() noexcept {
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    cursor_ = cursor_ + 1 < slots_.size() ? cursor_ + 1 : 0;
    WorkerLink* link = slots_[cursor_].link.get();
    if (link != nullptr && !link->reaper.direct() && link->transport->end().has_completion()) {
      return link;
    }
  }
  return nullptr;
}

void Replies::tick(WorkerLink& link, MonotonicNs now_ns) {
  if (!link.reaper.direct()) {
    reap(link);
  }
  if (auto harvested = bulk_.harvest(link); !harvested) {
    roster_.break_link(link, std::move(harvested.error()));
  }
  // A worker that has replied nothing in the meantime rings for its next reply, so that no caller waits for a tick. The
  // results of its bulk call's items are still polled.
  const bool bulk = !link.in_flight.empty() && link.in_flight.front().kind == CallKind::kBulk;
  link.held = bulk && link.calls_done == link.done_at_tick &&
              now_ns - link.in_flight.front().details().sent_ns >= Roster::kTickNs;
  roster_.relist(link);
  if (link.calls_done == link.done_at_tick && !bulk) {
    roster_.set_streaming(link, false);
  }
  if (!link.streaming || link.held) {
    recall_.relieve(link);
  }
  link.done_at_tick = link.calls_done;
  ensure_reaper(link);
}

void Replies::reap_aside(WorkerLink& link) {
  reap(link);
  recall_.steal_for(link);
  effects_->again = effects_->again || backlog_.waits();
}

TENON_HOT std::size_t Replies::reap(WorkerLink& link) {
  // Releases that found the ring full would otherwise wait for another release, which may never come.
  link.transport->flush_releases();
  std::size_t count = 0;
  Completion completion;
  for (;; ++count) {
    auto popped = link.transport->end().pop(completion);
    if (!popped) {
      roster_.break_link(link, std::move(popped.error()));
      break;
    }
    if (!*popped) {
      break;
    }
    if (link.in_flight.empty() || link.in_flight.front_position() != completion.position) {
      roster_.break_link(link, Error{ErrorCode::kCorrupt, "the worker answered a call that it does not have", {}});
      break;
    }
    complete(link, completion);
  }
  if (count > 0) {
    link.sent_since_reap = 0;
    if (count >= kStreamAnswers) {
      roster_.set_streaming(link, true);
    }
    roster_.relist(link);
  }
  return count;
}

TENON_HOT void Replies::complete(WorkerLink& link, const Completion& completion) {
  CallRef call = link.in_flight.pop_front();
  link.held = false;
  sent_.begin_next(link);
  if (completion.descriptor.kind == CompletionKind::kReturned) {
    backlog_.take_returned(std::move(call));
    return;
  }
  slots_.note_answer(link.slot);
  const auto run_ns = static_cast<std::int64_t>(std::min<std::uint64_t>(completion.descriptor.run_ns, kLongestRunNs));
  roster_.note_run(link, run_ns);
  if (call->kind == CallKind::kBulk) {
    // With an error, none of its items ran: the error of the call applies to each item.
    auto taken = completion.descriptor.status == TENON_OK ? bulk_.complete(link, call, completion)
                                                          : fail_bulk(link, call, completion);
    if (!taken) {
      orphans_.settle_invalid(link, std::move(call), completion.position, std::move(taken.error()));
    }
    return;
  }
  ++link.calls_done;
  const tenon_status_t status = completion.descriptor.status;
  if (call->kind != CallKind::kLoad) {
    wear_.note_calls(link, 1);
    const bool failed = status != TENON_OK && status != TENON_CANCELLED && status != TENON_DEADLINE;
    call->run_route()->generation->counts.add(1, failed ? 1 : 0, run_ns);
  }
  if (call->kind == CallKind::kOpen || call->kind == CallKind::kClose) {
    link.note_session(call->details().session, call->kind == CallKind::kOpen && status == TENON_OK);
  } else if ((completion.descriptor.flags & kCompletionSessionEnded) != 0 && call->details().session != nullptr) {
    // The session's handle may be kept for long, which is no reason to keep the worker.
    call->details().session->ended = true;
    link.note_session(call->details().session, false);
  }
  if (call->kind != CallKind::kCall) {
    call->make_details().completion_flags = completion.descriptor.flags;
  } else if (status != TENON_OK && call->stop_reason == StopReason::kNone && call->details().diverted &&
             (completion.descriptor.flags & kCompletionUnrepeatable) == 0) {
    // A trial must not fail a caller, so the current version runs the call again.
    if (!completion.descriptor.payload.absent() && !completion.descriptor.payload.is_inline()) {
      link.transport->release(completion.descriptor.payload);
    }
    Trials::undivert(*call);
    call->attempt = 0;
    backlog_.enqueue(*call.take(), true);
    return;
  }
  if (auto stored = store_end(link, *call, completion); !stored) {
    orphans_.settle_invalid(link, std::move(call), completion.position, std::move(stored.error()));
    return;
  }
  ledger_.close(std::move(call));
}

Error Replies::error_of(const Call& call, const CompletionDescriptor& descriptor, std::string message) {
  auto code = static_cast<ErrorCode>(descriptor.status);
  const CallDetails& limits = call.details();
  if (call.stop_reason == StopReason::kDeadline && code == ErrorCode::kCancelled) {
    // The worker's poll reports only cancellation; the actual reason was a deadline.
    code = ErrorCode::kDeadline;
    message = call.deadline_text();
  } else if (code == ErrorCode::kDeadline && monotonic_now_ns() >= limits.deadline_ns) {
    // The task noticed it before the host did.
    message = call.deadline_text(TimeLimit::kTimeout);
  } else if (code == ErrorCode::kDeadline && (monotonic_now_ns() >= limits.run_deadline_ns ||
                                              std::cmp_greater_equal(descriptor.run_ns, limits.run_timeout_ns))) {
    // The host renews run_deadline_ns of a call that seems not to have begun, so the reported run time counts too.
    message = call.deadline_text(TimeLimit::kRunTimeout);
  }
  ErrorContext context = CallLedger::context_of(call);
  context.charged = code == ErrorCode::kDeadline;
  return Error{code, std::move(message), std::move(context)};
}

TENON_HOT Result<void> Replies::store_end(WorkerLink& link, Call& call, const Completion& completion) {
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
    ledger_.count_end(false);
    call.end(fail(error_of(call, descriptor, std::move(message))));
    return {};
  }
  ledger_.count_end(true);
  if ((descriptor.flags & kCompletionArgument) != 0) {
    call.end_with_argument();
  } else if (descriptor.payload.absent()) {
    call.end(Reply());
  } else if (!in_arena) {
    if (call.stored() != nullptr) {
      effects_->released.push_back(call.take_stored());  // The result may be stored in its place.
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

Result<void> Replies::fail_bulk(WorkerLink& link, CallRef& call, const Completion& completion) {
  const CompletionDescriptor& descriptor = completion.descriptor;
  TENON_ASSIGN(const auto bytes, link.segments.resolve(descriptor.payload, completion.inline_payload(), "result"));
  std::string message = message_of(bytes);
  if (!descriptor.payload.absent() && !descriptor.payload.is_inline()) {
    link.transport->release(descriptor.payload);
  }
  Error error = error_of(*call, descriptor, std::move(message));
  ledger_.finish(std::move(call), fail(std::move(error)));
  return {};
}

}  // namespace tenon::internal
