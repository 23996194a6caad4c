#include "host/bulk_scheduler.hpp"

#include <algorithm>
#include <utility>

#include "base/try.hpp"
#include "host/bulk_parts.hpp"

namespace tenon::internal {

namespace {

/// Maximum number of bytes copied at once for the results of one bulk call.
constexpr std::uint64_t kCopiedBulkBytes = std::uint64_t{1} << 20;

}  // namespace

Result<void> BulkScheduler::harvest(WorkerLink& link) {
  if (link.in_flight.empty() || link.in_flight.front().kind != CallKind::kBulk) {
    return {};
  }
  Call& call = link.in_flight.front();
  const auto progress = link.transport->end().bulk_progress(call.position());
  if (!progress || progress->done > call.details().harvested + call.details().count) {
    return {};  // An invalid number is reported by the call's completion.
  }
  return end_items(link, call, progress->done, progress->answers, 0);
}

Result<void> BulkScheduler::complete(WorkerLink& link, CallRef& call, const Completion& completion) {
  const CompletionDescriptor& descriptor = completion.descriptor;
  const auto done = static_cast<std::uint32_t>(descriptor.items_done);
  const std::uint32_t gone = call->details().harvested;
  if (done > gone + call->details().count || done < gone || (done == 0 && !call->revoke_tried)) {
    return fail(ErrorCode::kCorrupt, "the worker ran items that were taken back, or none");
  }
  const std::uint64_t mean_run_ns = done == 0 ? 0 : std::min(descriptor.run_ns, kLongestRunNs) / done + 1;
  if (auto ended = end_items(link, *call, done, descriptor.payload, static_cast<std::int64_t>(mean_run_ns)); !ended) {
    return ended;
  }
  if (!descriptor.payload.absent() && !descriptor.payload.is_inline()) {
    link.transport->release(descriptor.payload);
  }
  if (call->details().count == 0) {
    ledger_.close(std::move(call));
  } else {
    // The worker stopped early: because it was asked to, or to let other calls have their turn.
    backlog_.take_returned(std::move(call));
  }
  return {};
}

Result<void> BulkScheduler::end_items(WorkerLink& link, Call& call, std::uint32_t done, const BlockRef& answers,
                                      std::int64_t mean_run_ns) {
  CallDetails& details = call.make_details();
  const std::uint32_t first = details.harvested;
  if (done <= first) {
    return {};
  }
  TENON_ASSIGN(const auto block, link.segments.resolve(answers, {}, "result"));
  const GenerationRef& generation = call.run_route()->generation;
  std::uint64_t copied_bytes = 0;
  TENON_ASSIGN(auto copied,
               BulkAnswers::copy(block, first, done, *call.details().bulk, generation, [&](const BlockRef& ref) {
                 return lease_result(link, ref, generation, copied_bytes);
               }));
  std::uint32_t succeeded = 0;
  for (std::uint32_t i = first; i < done; ++i) {
    succeeded += copied->ok(i) ? 1 : 0;
  }
  generation->counts.add(done - first, done - first - succeeded, mean_run_ns);
  link.calls_done += done - first;
  wear_.note_calls(link, done - first);
  details.harvested = done;
  Effects::BulkEnd end;
  end.answers = std::move(copied);
  end.ends.offset = first;
  end.ends.mean_run_ns = mean_run_ns;
  ledger_.note_items(call, done - first, succeeded, std::move(end));
  return {};
}

Result<StoredBytes> BulkScheduler::lease_result(WorkerLink& link, const BlockRef& block, const GenerationRef& made_by,
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

void BulkScheduler::cancel_items(const BulkWork& work, std::uint32_t from, std::uint32_t count) {
  std::vector<bool>& cancelled = work.parts.cancelled;
  cancelled.resize(work.count);
  std::fill_n(cancelled.begin() + from, count, true);
  std::vector<CallRef> parts;  // The list itself changes during the loop.
  for (Call* part = work.parts.first; part != nullptr; part = part->details().next_part) {
    if (part->details().first < from + count && from < part->details().first + part->details().count) {
      parts.push_back(CallRef::share(part));
    }
  }
  for (const CallRef& part : parts) {
    cancel_part(*part);
  }
}

void BulkScheduler::cancel_part(Call& part) {
  if (part.phase == Call::Phase::kQueued) {
    backlog_.dequeue(part);
    backlog_.requeue(CallRef::adopt(&part));
    return;
  }
  if (part.phase != Call::Phase::kSent || part.stop_reason != StopReason::kNone) {
    return;
  }
  WorkerLink& link = *slots_[part.slot].link;
  if (sent_.take_back(link, part)) {
    CallRef taken = sent_.take_out(link, part);
    --taken->attempt;
    backlog_.requeue(std::move(taken));
    return;
  }
  // The worker has reached the part, or was asked earlier to leave it. It runs only the items that have begun; the
  // others end or are queued again when its reply arrives.
  const auto begun = link.transport->end().revoke_items(part.position());
  if (!begun) {
    return;
  }
  CallDetails& details = part.make_details();
  const std::uint32_t gone = details.harvested;
  if (*begun > gone && *begun < gone + details.count) {
    backlog_.requeue(split_items(part, *begun - gone));
  }
  const auto progress = link.transport->end().bulk_progress(part.position());
  const std::uint32_t done = progress ? progress->done : 0;
  // The running item is asked to stop only if the part has no other item, because the request concerns the whole part.
  if (*begun == done + 1 && *begun == gone + details.count &&
      details.bulk->parts.cancelled[details.first + details.count - 1]) {
    sent_.ask_to_stop(link, part, StopReason::kCancelled);
  }
}

}  // namespace tenon::internal
