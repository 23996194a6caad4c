#include "host/scheduler.hpp"

#include <algorithm>
#include <functional>
#include <utility>

#include "base/hot.hpp"
#include "base/text.hpp"

namespace tenon::internal {

namespace {

constexpr std::size_t kPrioritiesWatched = 8;
/// Calls ahead of one whose large argument still needs a segment: what a worker is given beyond costs descriptors
/// early.
constexpr std::size_t kPlacedAhead = 4;
/// How soon an argument without room is tried again, and for how long while no call is in flight.
constexpr std::int64_t kRetryPlaceNs = 20'000'000;
constexpr std::int64_t kStarvedNs = 1'000'000'000;
/// Calls given to a worker ahead of the one it runs, which can be taken back: some such time's worth of them.
constexpr std::int64_t kPrefetchNs = 400'000;
constexpr std::int64_t kLeastPrefetch = 4;
constexpr std::int64_t kFirstPrefetch = 32;
constexpr std::int64_t kMostPrefetch = 256;
/// While calls take less, no more workers are woken than there are cores: a wake-up takes as long as several of them,
/// and the worker then takes turns with the others.
constexpr std::int64_t kShortRunNs = 20'000;
/// Sends between two looks of a submitting thread for answers.
constexpr std::uint32_t kSendsPerReap = 32;
/// Sends of one round after which the worker may see them.
constexpr std::uint32_t kSendsPerPublish = 32;
constexpr std::uintptr_t kPrefetchedAhead = 4;

/// Ten millions of calls are in no cache when their turn comes. Those submitted one after another lie side by side as a
/// rule, so that where the next one lies tells where the fourth from here does.
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

}  // namespace

Scheduler::Scheduler(const SchedulerOptions& options, ArgumentMemory& arguments,
                     const std::map<std::string, StoredBytes>& settings)
    : options_(options),
      arguments_(arguments),
      settings_(settings),
      slots_({.primary_slots = options.workers,
              .first_workers = options.first_workers,
              .start_patience_ns = options.start_timeout_ns}) {}

// -- queueing ---------------------------------------------------------------------------------

void Scheduler::accept(const Call& call) noexcept {
  accepted_ += call.counted_calls();
  submitted_ += call.counted_calls();
  accepted_bytes_ += call.counted_bytes();
}

void Scheduler::submit(CallRef call) {
  accept(*call);
  if (call->kind == CallKind::kBulk) {
    link_part(*call);
  }
  if (unavailable_) {
    Error error = *unavailable_;
    error.context = context_of(*call);
    finish(std::move(call), fail(std::move(error)));
    return;
  }
  if (!trials_.empty()) {
    trials_.divert(*call);
  }
  if (call->details().pinned_slot >= 0 && !place_pinned(*call)) {
    Error error = lost_session_error(*call);
    finish(std::move(call), fail(std::move(error)));
    return;
  }
  const int priority = call->details().priority;
  Call& queued = *call.take();  // The queue has the reference now.
  enqueue(queued, false);
  if (priorities_.size() < kPrioritiesWatched && (priorities_.empty() || *priorities_.begin() != priority)) {
    priorities_.insert(priority);
  }
  if (priorities_.size() > 1) {
    take_back_lower(priority);
  }
  dispatch();
  if (!queue_.empty()) {
    reap_round();
  }
}

TENON_HOT void Scheduler::enqueue(Call& call, bool at_front) {
  if (call.details().pinned_slot >= 0) {
    slots_.push(call, at_front);
  } else if (at_front) {
    queue_.push_front(call);
  } else {
    queue_.push_back(call);
  }
  call.phase = Call::Phase::kQueued;
  call.revoke_tried = false;
  call.moving = false;
  set_timer(call);
}

TENON_HOT void Scheduler::dequeue(Call& call) noexcept {
  if (call.details().pinned_slot >= 0) {
    slots_.remove(call);
  } else {
    queue_.remove(call);
  }
}

ErrorContext Scheduler::context_of(const Call& call) const {
  return internal::context_of(*call.run_route(), call.id(), call.details().earlier_attempts + call.attempt);
}

void Scheduler::finish(CallRef call, Result<Reply> outcome) {
  if (call->kind == CallKind::kBulk) {
    if (!outcome) {
      fail_items(*call, call->details().count, outcome.error());
    }
  } else {
    ++(outcome ? succeeded_ : failed_);
    call->end(std::move(outcome));
  }
  close(std::move(call));
}

TENON_HOT void Scheduler::close(CallRef call) {
  timers_.remove(*call);
  call->phase = Call::Phase::kDone;
  accepted_ -= call->counted_calls();
  accepted_bytes_ -= call->counted_bytes();
  effects_->changed = true;
  if (call->stored() != nullptr) {
    effects_->released.push_back(call->take_stored());
  }
  if (call->details().checkpoint.storage != nullptr) {
    effects_->released.push_back(std::exchange(call->make_details().checkpoint, {}));
  }
  if (call->kind == CallKind::kBulk) {
    unlink_part(*call);
  } else {
    effects_->finished.push_back(std::move(call));
  }
}

void Scheduler::finish_error(CallRef call, ErrorCode code, std::string message, const WorkerLink* link) {
  ErrorContext context = context_of(*call);
  if (link != nullptr) {
    link->describe_output(context);
  }
  finish(std::move(call), fail(code, std::move(message), std::move(context)));
}

// -- giving calls to workers ------------------------------------------------------------------

TENON_HOT bool Scheduler::can_take(const WorkerLink& link) const noexcept {
  const std::int64_t prefetch = link.mean_run_ns == 0
                                    ? kFirstPrefetch
                                    : std::clamp(kPrefetchNs / link.mean_run_ns, kLeastPrefetch, kMostPrefetch);
  // A worker that does not read its control channel gets nothing new: what a call refers to might never arrive.
  return link.state == WorkerLink::State::kReady && !link.reaper.exited() && !link.held && !link.suspected &&
         link.in_flight.size() < static_cast<std::size_t>(prefetch) && link.transport->end().free_slots() > 0 &&
         link.outbox_empty() && (!is_worn(link) || slots_[link.slot].is_extra());
}

TENON_HOT void Scheduler::relist(WorkerLink& link) {
  const SlotRole role = slots_[link.slot].role;
  const bool stands_empty = link.suspected && link.in_flight.empty();
  if (role == SlotRole::kPrimary && link.state == WorkerLink::State::kReady && !link.reaper.exited() && !stands_empty) {
    board_.place(link, link.in_flight.size(), can_take(link), link.streaming && !link.held);
  } else {
    board_.remove(link);
    dismiss_if_done(link);
  }
}

Call* Scheduler::next_for(const WorkerLink& link) const noexcept {
  Call* pinned = slots_[link.slot].pinned.front();
  Call* shared = queue_.front();
  if (pinned == nullptr || shared == nullptr || slots_[link.slot].is_extra()) {
    return pinned;
  }
  return shared->details().priority > pinned->details().priority ? shared : pinned;
}

WorkerLink* Scheduler::choose_link() noexcept {
  WorkerLink* least = board_.least();
  // What is not known yet counts as short: a tick later the others have been woken if it was not.
  if (least == nullptr || median_run_ns_ > kShortRunNs ||
      board_.flowing_count() + board_.held_count() < options_.cores) {
    return least;
  }
  // A stream that comes upon a long call does not flow after its next tick, and what waits behind that call is taken
  // back. As many are woken then as have been held, so that calls that are all long soon have all workers.
  if (least->in_flight.empty() && board_.flowing_count() < std::max(options_.cores, board_.held_count())) {
    set_streaming(*least, true);
    return least;
  }
  WorkerLink* flowing = board_.least_flowing();
  return flowing != nullptr || least->in_flight.empty() ? flowing : least;
}

void Scheduler::dispatch() {
  retry_place_ns_ = kNever;
  if (slots_.pinned_calls() > 0) {
    // By index: a call that is kept apart may add a slot.
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      const WorkerSlot& slot = slots_[i];
      while (slot.link != nullptr && can_take(*slot.link)) {
        Call* call = next_for(*slot.link);
        if (call == nullptr || send(*slot.link, *call) == Sent::kWaits) {
          break;
        }
      }
    }
  }
  std::uint32_t sent = 0;
  while (Call* call = queue_.front()) {
    WorkerLink* link = choose_link();
    if (link == nullptr) {
      break;
    }
    prefetch_after(*call);
    if (!can_take(*link)) {
      relist(*link);  // Its control channel has filled up, or its ring is full of calls that were taken back.
      continue;
    }
    if (send(*link, *call) == Sent::kWaits) {
      break;
    }
    if (++sent % kSendsPerPublish == 0) {
      link->transport->end().publish();  // It begins while the others are being written.
    }
  }
  publish();
}

TENON_HOT std::shared_ptr<WorkerLink> Scheduler::submit_direct(CallRef call) {
  WorkerLink* link = board_.idle();
  if (link == nullptr || !queue_.empty() || call->details().pinned_slot >= 0 || unavailable_ || link->reaper.direct() ||
      !link->in_flight.empty() || !slots_[link->slot].pinned.empty() || !can_take(*link) ||
      (!trials_.empty() && call->route()->trial != nullptr)) {
    return nullptr;
  }
  accept(*call);
  take_reaper(*link);
  Call& queued = *call.take();
  enqueue(queued, false);
  // Also when the call ended or waits instead: the role is the caller's until it gives it back.
  static_cast<void>(send(*link, queued));
  publish();
  return slots_[link->slot].link;
}

void Scheduler::take_reaper(WorkerLink& link) {
  link.reaper.take();
  // A bell that is still armed would ring the reactor for nothing.
  link.transport->end().disarm();
}

std::shared_ptr<WorkerLink> Scheduler::take_role(const Call& call) {
  if (call.phase != Call::Phase::kSent) {
    return nullptr;
  }
  const std::shared_ptr<WorkerLink>& link = slots_[call.slot].link;
  if (link->reaper.direct() || link->reaper.exited()) {
    return nullptr;
  }
  take_reaper(*link);
  return link;
}

Result<bool> Scheduler::place_argument(const WorkerLink& link, Call& call) {
  const BytesView bytes = call.stored()->bytes;
  if (bytes.size() >= kLargeBlockBytes && link.in_flight.size() >= kPlacedAhead) {
    return false;  // The worker's next answer brings the call its turn.
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
  // Calls in flight give descriptors back when they end; what ended just now may not have done so yet.
  const MonotonicNs now_ns = monotonic_now_ns();
  const bool in_flight = std::any_of(slots_.begin(), slots_.end(), [](const WorkerSlot& slot) {
    return slot.link != nullptr && !slot.link->in_flight.empty();
  });
  if (in_flight) {
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

TENON_HOT SubmissionDescriptor Scheduler::describe(WorkerLink& link, Call& call) {
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
  if (details.run_timeout_ns != kNever && link.in_flight.empty()) {
    descriptor.deadline_ns = std::min(descriptor.deadline_ns, later(monotonic_now_ns(), details.run_timeout_ns));
  }
  if (const StoredBytes* stored = call.stored()) {
    // What is given as storage has a place: the submitter has seen to it.
    descriptor.argument = stored->place().value_or(BlockRef{});
    link.introduce_segment(stored->storage->segment());
  }
  if (details.checkpoint.storage != nullptr) {
    descriptor.checkpoint = details.checkpoint.place().value_or(BlockRef{});
    link.introduce_segment(details.checkpoint.storage->segment());
  }
  if (const RouteRef& route = call.run_route(); !link.knows(*route)) {
    const auto settings = settings_.find(route->ref.plugin->name);
    link.introduce_route(route, settings == settings_.end() ? StoredBytes{} : settings->second);
  }
  return descriptor;
}

TENON_HOT Scheduler::Sent Scheduler::send(WorkerLink& link, Call& queued) {
  const bool session_lost = queued.session_bound && queued.details().session->link_id != link.id;
  if (!queued.session_bound && keep_apart(link, queued)) {
    return Sent::kEnded;
  }
  if (!session_lost && queued.stored() != nullptr && !queued.stored()->place()) {
    auto placed = place_argument(link, queued);
    if (!placed) {
      dequeue(queued);
      Error error = std::move(placed.error());
      error.context = context_of(queued);
      finish(CallRef::adopt(&queued), fail(std::move(error)));
      return Sent::kEnded;
    }
    if (!*placed) {
      return Sent::kWaits;
    }
  }
  dequeue(queued);
  CallRef call = CallRef::adopt(&queued);
  if (session_lost) {
    Error error = lost_session_error(*call);
    finish(std::move(call), fail(std::move(error)));
    return Sent::kEnded;
  }
  if (call->kind == CallKind::kBulk && call->details().bulk->abandoned()) {
    finish_error(std::move(call), ErrorCode::kCancelled, "the call was cancelled before it began");
    return Sent::kEnded;
  }
  const bool travels = call->stored() == nullptr && !call->argument_absent;
  auto position =
      link.transport->end().push(describe(link, *call), travels ? std::optional(call->payload()) : std::nullopt);
  if (!position) {
    Error error = std::move(position.error());
    error.context = context_of(*call);
    finish(std::move(call), fail(std::move(error)));
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
    set_streaming(link, true);
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
    begin_next(link);
  } else {
    set_timer(queued);
  }
  relist(link);
  return Sent::kSent;
}

TENON_HOT void Scheduler::publish() {
  if (next_look_ns_ == kNever && !unpublished_.empty()) {
    start_looking();
  }
  for (WorkerLink* link : unpublished_) {
    link->unpublished = false;
    link->transport->end().publish();
    if (link->sent_since_reap >= kSendsPerReap) {
      link->sent_since_reap = 0;
      if (!link->reaper.direct()) {
        reap_aside(*link);
      }
    }
    ensure_reaper(*link);
  }
  unpublished_.clear();
}

TENON_HOT void Scheduler::begin_next(WorkerLink& link) {
  if (link.in_flight.empty()) {
    return;
  }
  Call& call = link.in_flight.front();
  if (const std::int64_t run_timeout_ns = call.details().run_timeout_ns; run_timeout_ns != kNever) {
    call.make_details().run_deadline_ns = later(monotonic_now_ns(), run_timeout_ns);
  }
  if (call.stop_reason != StopReason::kNone) {
    stop_running(link, call);  // It was asked before its turn; the word holds one call at a time.
  }
  set_timer(call);
}

void Scheduler::stop_running(WorkerLink& link, const Call& call) {
  std::uint64_t id = call.id();
  if (call.kind == CallKind::kBulk) {
    const CallDetails& details = call.details();
    const auto progress = link.transport->end().bulk_progress(call.position());
    id = details.bulk->first_id + details.first - details.harvested + (progress ? progress->done : 0);
  }
  link.transport->end().cancel(id);
}

bool Scheduler::take_back(WorkerLink& link, Call& call) {
  if (call.revoke_tried) {
    return false;
  }
  call.revoke_tried = true;
  return link.transport->end().revoke(call.position()) == Revoked::kTaken;
}

CallRef Scheduler::take_out(WorkerLink& link, const Call& call) {
  const bool was_front = link.in_flight.front_position() == call.position();
  CallRef taken = link.in_flight.take(call.position());
  if (was_front) {
    begin_next(link);
  }
  relist(link);
  if (link.reaper.direct()) {
    // Lets the thread that waits directly see that its call has been taken from under it.
    link.transport->end().wake_host();
  }
  return taken;
}

bool Scheduler::move_back(WorkerLink& link, Call& call) {
  if (call.revoke_tried || call.stop_reason != StopReason::kNone) {
    return false;
  }
  if (!take_back(link, call)) {
    call.moving = true;
    return false;
  }
  CallRef taken = link.in_flight.take(call.position());
  --taken->attempt;
  enqueue(*taken.take(), true);
  return true;
}

TENON_HOT void Scheduler::steal_for(WorkerLink& link) {
  // First from those that are held up: what waits behind a long call.
  for (const bool flows : {false, true}) {
    if (!queue_.empty() || !link.in_flight.empty() || !can_take(link) || slots_[link.slot].is_extra()) {
      return;
    }
    if (WorkerLink* victim = board_.most(flows); victim != nullptr && victim != &link) {
      steal_from(*victim);
    }
  }
}

void Scheduler::steal_from(WorkerLink& victim) {
  std::size_t wanted = victim.in_flight.size() / 2;
  // From the back: what is to run last has the longest to wait. The front one runs.
  for (std::uint64_t position = victim.in_flight.end_position();
       wanted > 0 && --position > victim.in_flight.front_position();) {
    Call* call = victim.in_flight.at(position);
    if (call != nullptr && call->details().pinned_slot < 0 && !call->revoke_tried &&
        call->stop_reason == StopReason::kNone) {
      --wanted;
      move_back(victim, *call);
    }
  }
  if (queue_.empty() && !victim.in_flight.empty()) {
    split_running(victim);
  }
  relist(victim);
}

void Scheduler::take_back_lower(int priority) {
  for (const WorkerSlot& slot : slots_) {
    if (slot.link == nullptr || slot.link->in_flight.size() < 2) {
      continue;
    }
    InFlight& in_flight = slot.link->in_flight;
    for (std::uint64_t position = in_flight.end_position(); --position > in_flight.front_position();) {
      Call* call = in_flight.at(position);
      // Steps of a session stay: one that comes back late would fall behind those after it.
      if (call != nullptr && call->details().priority < priority && !call->session_bound) {
        move_back(*slot.link, *call);
      }
    }
    relist(*slot.link);
  }
}

void Scheduler::fill_stats(RuntimeStats& stats) const {
  stats.submitted = submitted_;
  stats.succeeded = succeeded_;
  stats.failed = failed_;
  stats.crashed_workers = crashed_workers_;
  for (const WorkerSlot& slot : slots_) {
    if (slot.link != nullptr && slot.link->state == WorkerLink::State::kReady) {
      stats.running += slot.link->in_flight.empty() ? 0 : 1;
      stats.workers.push_back({slot.link->id, slot.link->handle->pid(), slot.link->calls_done,
                               std::chrono::nanoseconds(slot.link->mean_run_ns)});
    }
  }
  stats.queued = accepted_ - stats.running;
}

}  // namespace tenon::internal
