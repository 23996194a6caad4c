#include "host/dispatcher.hpp"

#include <algorithm>
#include <utility>

#include "base/hot.hpp"

namespace tenon::internal {

namespace {

/// Number of calls that a worker may get ahead of one whose large argument still needs a segment; more would take
/// descriptors too early.
constexpr std::size_t kPlacedAhead = 4;
/// How soon an argument without room is tried again, and for how long if no call is in flight.
constexpr std::int64_t kRetryPlaceNs = 20'000'000;
constexpr std::int64_t kStarvedNs = 1'000'000'000;
/// Number of sends after which a submitting thread polls for replies.
constexpr std::uint32_t kSendsPerReap = 32;
/// Number of sends in one round after which they are published to the worker.
constexpr std::uint32_t kSendsPerPublish = 32;
constexpr std::uintptr_t kPrefetchedAhead = 4;

/// With ten million calls, none is in a cache when its turn comes. Calls submitted one after another usually lie side
/// by side, so the location of the next one predicts that of the fourth from here.
void prefetch_after(const Call& call) noexcept {
  if (call.next() != nullptr) {
    const auto from = reinterpret_cast<std::uintptr_t>(&call);
    const auto stride = reinterpret_cast<std::uintptr_t>(call.next()) - from;
    const char* bytes = reinterpret_cast<const char*>(from + kPrefetchedAhead * stride);
    __builtin_prefetch(bytes, 1);
    __builtin_prefetch(bytes + 64, 1);
    __builtin_prefetch(bytes + 128, 1);
  }
}

/// Whether a call in flight in this slot returns a descriptor when it ends.
bool gives_room(const WorkerSlot& slot) noexcept {
  if (slot.link == nullptr || slot.link->in_flight.empty()) {
    return false;
  }
  const InFlight& calls = slot.link->in_flight;
  for (std::uint64_t position = calls.front_position(); position < calls.end_position(); ++position) {
    const Call* call = calls.at(position);
    if (call != nullptr && call->stored() != nullptr && call->stored()->bytes.size() >= kLargeBlockBytes) {
      return true;
    }
  }
  return false;
}

}  // namespace

Dispatcher::Dispatcher(const Parts& parts) noexcept
    : slots_(parts.slots),
      roster_(parts.roster),
      ledger_(parts.ledger),
      backlog_(parts.backlog),
      sent_(parts.sent),
      placement_(parts.placement),
      replies_(parts.replies),
      stalls_(parts.stalls),
      messages_(parts.messages),
      arguments_(parts.arguments),
      effects_(parts.effects) {}

void Dispatcher::dispatch() {
  retry_place_ns_ = kNever;
  if (slots_.pinned_calls() > 0) {
    // By index: keep_apart may add a slot.
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      const WorkerSlot& slot = slots_[i];
      while (slot.link != nullptr && roster_.can_take(*slot.link)) {
        Call* call = next_for(*slot.link);
        if (call == nullptr || send(*slot.link, *call) == Sent::kWaits) {
          break;
        }
      }
    }
  }
  std::uint32_t sent = 0;
  while (Call* call = backlog_.front()) {
    WorkerLink* link = roster_.choose();
    if (link == nullptr) {
      break;
    }
    prefetch_after(*call);
    if (!roster_.can_take(*link)) {
      roster_.relist(*link);  // Its control channel has filled up, or its ring is full of calls that were taken back.
      continue;
    }
    if (send(*link, *call) == Sent::kWaits) {
      break;
    }
    if (++sent % kSendsPerPublish == 0) {
      link->transport->end().publish();  // The worker begins while the others are still being written.
    }
  }
  if (retry_place_ns_ != kNever && starved_since_ns_ != kNever) {
    send_placed();
  }
  publish();
}

void Dispatcher::send_placed() {
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    const WorkerSlot& slot = slots_[i];
    if (slot.link == nullptr || !roster_.can_take(*slot.link)) {
      continue;
    }
    Call* call = slot.pinned.find(Backlog::may_overtake);
    if (call == nullptr && !slot.is_extra()) {
      call = backlog_.first_to_overtake();
    }
    if (call != nullptr) {
      static_cast<void>(send(*slot.link, *call));
    }
  }
}

TENON_HOT void Dispatcher::send_direct(WorkerLink& link, Call& call) {
  // The result does not matter: even if the call ended or stays queued, the caller has the role until it gives it back.
  static_cast<void>(send(link, call));
  publish();
}

Call* Dispatcher::next_for(const WorkerLink& link) const noexcept {
  Call* pinned = slots_[link.slot].pinned.front();
  Call* shared = backlog_.front();
  if (pinned == nullptr || shared == nullptr || slots_[link.slot].is_extra()) {
    return pinned;
  }
  return shared->details().priority > pinned->details().priority ? shared : pinned;
}

TENON_HOT Dispatcher::Sent Dispatcher::send(WorkerLink& link, Call& queued) {
  const bool session_lost = queued.session_bound && queued.details().session->link_id != link.id;
  if (!queued.session_bound && placement_.keep_apart(link, queued)) {
    return Sent::kEnded;
  }
  if (!session_lost && !Backlog::is_placed(queued)) {
    auto placed = place_argument(link, queued);
    if (!placed) {
      backlog_.dequeue(queued);
      Error error = std::move(placed.error());
      error.context = CallLedger::context_of(queued);
      ledger_.finish(CallRef::adopt(&queued), fail(std::move(error)));
      return Sent::kEnded;
    }
    if (!*placed) {
      return Sent::kWaits;
    }
  }
  backlog_.dequeue(queued);
  CallRef call = CallRef::adopt(&queued);
  if (session_lost) {
    Error error = Placement::lost_call_error(*call);
    ledger_.finish(std::move(call), fail(std::move(error)));
    return Sent::kEnded;
  }
  if (call->kind == CallKind::kBulk && call->details().bulk->abandoned()) {
    ledger_.finish_error(std::move(call), ErrorCode::kCancelled, "the call was cancelled before it began");
    return Sent::kEnded;
  }
  const bool travels = call->stored() == nullptr && !call->argument_absent;
  auto position =
      link.transport->end().push(describe(link, *call), travels ? std::optional(call->payload()) : std::nullopt);
  if (!position) {
    Error error = std::move(position.error());
    error.context = CallLedger::context_of(*call);
    ledger_.finish(std::move(call), fail(std::move(error)));
    return Sent::kEnded;
  }
  if (call->kind == CallKind::kOpen) {
    SessionRecord& session = *call->details().session;
    session.link_id = link.id;
    session.route = call->run_route();
  } else if (call->kind == CallKind::kBulk) {
    call->make_details().sent_ns = monotonic_now_ns();
    call->make_details().harvested = 0;
    call->make_details().items_revoked = false;
    roster_.set_streaming(link, true);
  }
  call->phase = Call::Phase::kSent;
  call->slot = static_cast<std::uint16_t>(link.slot);
  call->set_position(*position);
  if (!link.unpublished) {
    link.unpublished = true;
    unpublished_.push_back(&link);
  }
  ++link.sent_since_reap;
  const bool idle = link.in_flight.empty();
  link.in_flight.push_back(*position, std::move(call));
  if (idle) {
    sent_.begin_next(link);
  } else {
    backlog_.set_timer(queued);
  }
  roster_.relist(link);
  return Sent::kSent;
}

TENON_HOT SubmissionDescriptor Dispatcher::describe(WorkerLink& link, Call& call) {
  const CallDetails& details = call.details();
  SubmissionDescriptor descriptor;
  descriptor.call_id = call.id();
  descriptor.session_id = details.session != nullptr ? details.session->id : 0;
  descriptor.route = call.run_route()->number;
  descriptor.kind = call.kind;
  descriptor.flags = static_cast<std::uint16_t>((details.argument_frames ? kSubmissionArgumentFrames : 0) |
                                                (details.with_checkpoint ? kSubmissionCheckpoint : 0));
  descriptor.attempt = details.earlier_attempts + ++call.attempt;
  descriptor.max_results = details.max_results;
  descriptor.deadline_ns = details.deadline_ns;
  if (call.kind == CallKind::kBulk) {
    descriptor.call_id = details.bulk->first_id + details.first;
    descriptor.first_item = details.first;
    descriptor.max_results = details.count;
  }
  if (details.run_timeout_ns != kNever && later(monotonic_now_ns(), details.run_timeout_ns) < descriptor.deadline_ns) {
    descriptor.deadline_ns = details.run_timeout_ns;
    descriptor.flags = static_cast<std::uint16_t>(descriptor.flags | kSubmissionRunTimeout);
  }
  if (const StoredBytes* stored = call.stored()) {
    // Stored arguments are in shared memory: the submitter has ensured that.
    descriptor.argument = stored->place().value_or(BlockRef{});
    link.introduce_segment(stored->storage->segment());
  }
  if (details.checkpoint.storage != nullptr) {
    descriptor.checkpoint = details.checkpoint.place().value_or(BlockRef{});
    link.introduce_segment(details.checkpoint.storage->segment());
  }
  if (const RouteRef& route = call.run_route(); !link.knows(*route)) {
    messages_.introduce(link, route);
  }
  return descriptor;
}

Result<bool> Dispatcher::place_argument(const WorkerLink& link, Call& call) {
  const BytesView bytes = call.stored()->bytes;
  if (bytes.size() >= kLargeBlockBytes && link.in_flight.size() >= kPlacedAhead) {
    return false;  // The call's turn comes with the worker's next reply.
  }
  auto stored = arguments_.store(bytes);
  if (!stored && bytes.size() < kLargeBlockBytes) {
    stored = arguments_.store_apart(bytes);
  }
  if (stored) {
    starved_since_ns_ = kNever;
    effects_->released.push_back(call.take_stored());
    call.set_stored(std::move(*stored));
    return true;
  }
  if (!is_shortage(stored.error())) {
    return fail(std::move(stored.error()));
  }
  // A call that has just ended may not have returned its descriptor yet.
  const MonotonicNs now_ns = monotonic_now_ns();
  if (std::any_of(slots_.begin(), slots_.end(), gives_room)) {
    starved_since_ns_ = kNever;
  } else if (starved_since_ns_ == kNever) {
    starved_since_ns_ = now_ns;
  } else if (now_ns - starved_since_ns_ >= kStarvedNs) {
    return fail(std::move(stored.error()));
  }
  retry_place_ns_ = later(now_ns, kRetryPlaceNs);
  effects_->rearm = true;
  return false;
}

TENON_HOT void Dispatcher::publish() {
  if (!unpublished_.empty()) {
    stalls_.note_work();
  }
  for (WorkerLink* link : unpublished_) {
    link->unpublished = false;
    link->transport->end().publish();
    if (link->sent_since_reap >= kSendsPerReap) {
      link->sent_since_reap = 0;
      if (!link->reaper.direct()) {
        replies_.reap_aside(*link);
      }
    }
    replies_.ensure_reaper(*link);
  }
  unpublished_.clear();
}

}  // namespace tenon::internal
