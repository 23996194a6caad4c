/// The scheduler's part about bulk calls, and what becomes of their items.
#include <algorithm>
#include <utility>

#include "host/scheduler.hpp"

namespace tenon::internal {

namespace {

/// Items of a bulk call that runs are taken back once it has run for so long while another worker is idle.
constexpr std::int64_t kSplitAfterNs = 500'000;
/// Bytes that answers of one bulk call refer to and that are copied at once.
constexpr std::uint64_t kCopiedBulkBytes = std::uint64_t{1} << 20;

}  // namespace

void Scheduler::note_end(Call& call, std::uint32_t count, Effects::BulkEnd end) {
  CallDetails& details = call.make_details();
  end.work = details.bulk;
  end.ends.route = call.run_route();
  end.ends.first = details.first;
  end.ends.count = count;
  effects_->bulk_ends.push_back(std::move(end));
  effects_->changed = true;
  accepted_ -= count;
  accepted_bytes_ -= details.bulk->bytes_of(details.first, count);
  details.first += count;
  details.count -= count;
}

void Scheduler::fail_items(Call& call, std::uint32_t count, const Error& error) {
  if (count == 0) {
    return;
  }
  failed_ += count;
  Effects::BulkEnd end;
  end.ends.error = std::make_shared<const Error>(error);
  note_end(call, count, std::move(end));
}

Result<void> Scheduler::end_items(WorkerLink& link, Call& call, std::uint32_t done, const BlockRef& answers,
                                  std::int64_t mean_run_ns) {
  CallDetails& details = call.make_details();
  const std::uint32_t first = details.harvested;
  if (done <= first) {
    return {};
  }
  auto block = link.segments.resolve(answers, {}, "result");
  if (!block) {
    return fail(std::move(block.error()));
  }
  const GenerationRef& generation = call.run_route()->generation;
  std::uint64_t copied_bytes = 0;
  auto copied = BulkAnswers::copy(*block, first, done, *call.details().bulk, generation, [&](const BlockRef& ref) {
    return lease_result(link, ref, generation, copied_bytes);
  });
  if (!copied) {
    return fail(std::move(copied.error()));
  }
  std::uint32_t succeeded = 0;
  for (std::uint32_t i = first; i < done; ++i) {
    succeeded += (*copied)->ok(i) ? 1 : 0;
  }
  succeeded_ += succeeded;
  failed_ += done - first - succeeded;
  generation->counts.add(done - first, done - first - succeeded, mean_run_ns);
  link.calls_done += done - first;
  note_wear(link, done - first);
  details.harvested = done;
  Effects::BulkEnd end;
  end.answers = std::move(*copied);
  end.ends.offset = first;
  end.ends.mean_run_ns = mean_run_ns;
  note_end(call, done - first, std::move(end));
  return {};
}

void Scheduler::harvest(WorkerLink& link) {
  if (link.in_flight.empty() || link.in_flight.front().kind != CallKind::kBulk) {
    return;
  }
  Call& call = link.in_flight.front();
  const auto progress = link.transport->end().bulk_progress(call.position());
  if (!progress || progress->done > call.details().harvested + call.details().count) {
    return;  // What is wrong with the latter, its answer will show.
  }
  if (auto ended = end_items(link, call, progress->done, progress->answers, 0); !ended) {
    break_link(link, std::move(ended.error()));
  }
}

CallRef Scheduler::split_items(Call& call, std::uint32_t from) {
  CallDetails& details = call.make_details();
  CallRef rest = Call::create_bulk(call.route(), details.bulk, details.first + from, details.count - from);
  rest->max_attempts = call.max_attempts;
  rest->make_details().priority = details.priority;
  details.count = from;
  link_part(*rest);
  return rest;
}

CallRef Scheduler::take_items_back(WorkerLink& link, Call& call) {
  // Also where the call as a whole could not be taken back: its worker had begun it, and may hang in any of its items.
  if (call.details().items_revoked || call.details().count < 2) {
    return nullptr;
  }
  call.make_details().items_revoked = true;
  // Also when the worker is not at it just now: should it come to it, it will do none of them.
  call.revoke_tried = true;
  const auto begun = link.transport->end().revoke_items(call.position());
  if (!begun) {
    return nullptr;
  }
  const std::uint32_t gone = call.details().harvested;
  return *begun > gone && *begun < gone + call.details().count ? split_items(call, *begun - gone) : nullptr;
}

void Scheduler::split_running(WorkerLink& link) {
  Call& call = link.in_flight.front();
  if (call.kind != CallKind::kBulk || call.stop_reason != StopReason::kNone ||
      monotonic_now_ns() - call.details().sent_ns < kSplitAfterNs) {
    return;
  }
  CallRef rest = take_items_back(link, call);
  if (rest == nullptr) {
    return;
  }
  // Half of them for the idle worker, half for the one that has them now, should it be ready first.
  CallRef half = rest->details().count > 1 ? split_items(*rest, rest->details().count / 2) : nullptr;
  if (half != nullptr) {
    enqueue(*half.take(), true);
  }
  enqueue(*rest.take(), true);
}

void Scheduler::link_part(Call& call) noexcept {
  CallDetails& details = call.make_details();
  details.next_part = std::exchange(details.bulk->parts.first, &call);
}

void Scheduler::unlink_part(Call& call) noexcept {
  Call** at = &call.details().bulk->parts.first;
  while (*at != &call) {
    at = &(*at)->make_details().next_part;
  }
  *at = call.details().next_part;
}

void Scheduler::cancel_items(const BulkWork& work, std::uint32_t from, std::uint32_t count) {
  std::vector<bool>& cancelled = work.parts.cancelled;
  cancelled.resize(work.count);
  std::fill_n(cancelled.begin() + from, count, true);
  std::vector<CallRef> parts;  // The list itself changes meanwhile.
  for (Call* part = work.parts.first; part != nullptr; part = part->details().next_part) {
    if (part->details().first < from + count && from < part->details().first + part->details().count) {
      parts.push_back(CallRef::share(part));
    }
  }
  for (const CallRef& part : parts) {
    cancel_part(*part);
  }
  dispatch();
}

void Scheduler::cancel_part(Call& part) {
  if (part.phase == Call::Phase::kQueued) {
    dequeue(part);
    requeue(CallRef::adopt(&part));
    return;
  }
  if (part.phase != Call::Phase::kSent || part.stop_reason != StopReason::kNone) {
    return;
  }
  WorkerLink& link = *slots_[part.slot].link;
  if (take_back(link, part)) {
    CallRef taken = take_out(link, part);
    --taken->attempt;
    requeue(std::move(taken));
    return;
  }
  // The worker has come to it, or has been told before to leave it alone. It does none but those that have begun, and
  // what it leaves ends or goes on when its answer is there.
  const auto begun = link.transport->end().revoke_items(part.position());
  if (!begun) {
    return;
  }
  CallDetails& details = part.make_details();
  const std::uint32_t gone = details.harvested;
  if (*begun > gone && *begun < gone + details.count) {
    requeue(split_items(part, *begun - gone));
  }
  const auto progress = link.transport->end().bulk_progress(part.position());
  const std::uint32_t done = progress ? progress->done : 0;
  // Asked to stop alone when it is the last one that the call still has: what is said of it is said of the call.
  if (*begun == done + 1 && *begun == gone + details.count &&
      details.bulk->parts.cancelled[details.first + details.count - 1]) {
    ask_to_stop(link, part, StopReason::kCancelled);
  }
}

void Scheduler::requeue(CallRef call) {
  if (call->details().diverted &&
      slots_[static_cast<std::size_t>(call->details().pinned_slot)].role != SlotRole::kTrial) {
    Trials::undivert(*call);  // The trial is over.
  }
  const bool sweep = call->kind == CallKind::kBulk && !call->details().bulk->parts.cancelled.empty();
  // From the back, so that what goes to the front of the queue keeps its order.
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
      finish_error(std::move(run), ErrorCode::kCancelled, "the call was cancelled before it began");
    } else {
      enqueue(*run.take(), true);
    }
  }
  if (sweep && call->details().bulk->parts.cancelled[call->details().first]) {
    finish_error(std::move(call), ErrorCode::kCancelled, "the call was cancelled before it began");
  } else {
    enqueue(*call.take(), true);
  }
}

void Scheduler::complete_bulk(WorkerLink& link, CallRef call, const Completion& completion) {
  const CompletionDescriptor& descriptor = completion.descriptor;
  const auto done = static_cast<std::uint32_t>(descriptor.items_done);
  const auto broken = [&](Error reason) {
    handle_invalid_reply(link, std::move(call), completion.position, std::move(reason));
  };
  if (descriptor.status != TENON_OK) {
    // None of them ran: what was to be said of one is said of all.
    auto bytes = link.segments.resolve(descriptor.payload, completion.inline_payload(), "result");
    if (!bytes) {
      broken(std::move(bytes.error()));
      return;
    }
    std::string message = message_of(*bytes);
    if (!descriptor.payload.absent() && !descriptor.payload.is_inline()) {
      link.transport->release(descriptor.payload);
    }
    Error error = error_of(*call, static_cast<ErrorCode>(descriptor.status), std::move(message));
    finish(std::move(call), fail(std::move(error)));
    return;
  }
  const std::uint32_t gone = call->details().harvested;
  if (done > gone + call->details().count || done < gone || (done == 0 && !call->revoke_tried)) {
    broken(Error{ErrorCode::kCorrupt, "the worker ran items that were taken back, or none", {}});
    return;
  }
  const std::uint64_t mean_run_ns = done == 0 ? 0 : std::min(descriptor.run_ns, kLongestRunNs) / done + 1;
  if (auto ended = end_items(link, *call, done, descriptor.payload, static_cast<std::int64_t>(mean_run_ns)); !ended) {
    broken(std::move(ended.error()));
    return;
  }
  if (!descriptor.payload.absent() && !descriptor.payload.is_inline()) {
    link.transport->release(descriptor.payload);
  }
  if (call->details().count == 0) {
    close(std::move(call));
    return;
  }
  // It stopped early: because it was asked to, or because others are to have their turn.
  complete_returned(std::move(call));
}

Result<StoredBytes> Scheduler::lease_result(WorkerLink& link, const BlockRef& block, const GenerationRef& made_by,
                                            std::uint64_t& copied_bytes) {
  auto bytes = link.segments.resolve(block, {}, "result");
  if (!bytes) {
    return fail(std::move(bytes.error()));
  }
  if (block.absent() || block.is_inline()) {
    return fail(ErrorCode::kCorrupt, "a result of a bulk call lies nowhere");
  }
  // Thousands of references, each small enough to copy, must not hold the lock for long.
  if (bytes->size() <= kCopiedResultBytes && copied_bytes + bytes->size() <= kCopiedBulkBytes) {
    copied_bytes += bytes->size();
    StoredBytes copy = copy_to_host(*bytes, made_by);
    link.transport->release(block);
    return copy;
  }
  return link.transport->lease(block, *bytes, made_by);
}

void Scheduler::recover_items(WorkerLink& link, CallRef call, std::uint64_t position, const Autopsy& autopsy) {
  const BulkRemains remains = autopsy.bulk_remains(position);
  if (!remains.intact) {
    recover_unknown_items(link, std::move(call), autopsy);
    return;
  }
  const auto& progress = remains.progress;
  const std::uint32_t gone = call->details().harvested;
  if (progress && progress->done > gone) {
    const std::uint32_t done = std::min(progress->done, gone + call->details().count);
    if (auto ended = end_items(link, *call, done, progress->answers, 0); !ended) {
      const ExitStatus status = link.handle->exit_status().value_or(ExitStatus{});
      fail_items(*call, done - gone,
                 Error{ErrorCode::kCrashed,
                       "the worker that ran the call ended with " + status.to_string() +
                           " and left a broken answer: " + ended.error().message,
                       context_of(*call)});
    }
  }
  if (call->details().count == 0) {
    close(std::move(call));
    return;
  }
  const bool in_item = !progress || remains.begun > progress->done;
  if (call->details().count > 1) {
    CallRef rest = split_items(*call, in_item ? 1 : 0);
    if (killing_ || call->stop_reason != StopReason::kNone) {
      finish_error(std::move(rest), ErrorCode::kCancelled, "the call was cancelled before it began");
    } else {
      requeue(std::move(rest));
    }
  }
  if (call->details().count == 0) {
    close(std::move(call));
  } else if (in_item) {
    retry_or_crash(link, std::move(call), autopsy.repeatable(position, progress ? progress->done : 0));
  } else {
    complete_returned(std::move(call));
  }
}

void Scheduler::recover_unknown_items(WorkerLink& link, CallRef call, const Autopsy& autopsy) {
  const bool repeatable = call->route()->ref.task->idempotent && autopsy.all_repeatable();
  const std::uint32_t count = call->details().count;
  if (count == 1 || killing_ || call->stop_reason != StopReason::kNone) {
    // With one item there is no doubt which one it was.
    retry_or_crash(link, std::move(call), repeatable);
    return;
  }
  if (!repeatable) {
    Error error = unknown_error(link, *call);
    finish(std::move(call), fail(std::move(error)));
    return;
  }
  // Which of them ended the worker will show when they run apart: no item is charged for another.
  --call->attempt;
  requeue(split_items(*call, count / 2));
  requeue(std::move(call));
}

}  // namespace tenon::internal
