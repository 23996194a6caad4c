#include "host/scheduler.hpp"

#include <algorithm>
#include <functional>
#include <utility>

#include "base/text.hpp"

namespace tenon::internal {

namespace {

constexpr std::size_t kPrioritiesWatched = 8;
/// Between two looks at a call that is to be killed once its turn comes; cancel_grace may be 0.
constexpr std::int64_t kShortestGraceNs = 1'000'000;
/// Calls ahead of one whose large argument still needs a segment: what a worker is given beyond costs descriptors
/// early.
constexpr std::size_t kPlacedAhead = 4;
/// How soon an argument without room is tried again, and for how long while no call is in flight.
constexpr std::int64_t kRetryPlaceNs = 20'000'000;
constexpr std::int64_t kStarvedNs = 1'000'000'000;

MonotonicNs later(MonotonicNs now_ns, std::int64_t duration_ns) {
  return duration_ns > kNever - now_ns ? kNever : now_ns + duration_ns;
}

}  // namespace

Scheduler::Scheduler(const SchedulerOptions& options, ArgumentMemory& arguments,
                     const std::map<std::string, StoredBytes>& settings)
    : options_(options), arguments_(arguments), settings_(settings), slots_(options.workers) {}

// -- queueing ---------------------------------------------------------------------------------

void Scheduler::submit(CallRef call) {
  ++accepted_;
  ++submitted_;
  accepted_bytes_ += call->counted_bytes;
  if (unavailable_) {
    Error error = *unavailable_;
    error.context = context_of(*call);
    finish(std::move(call), fail(std::move(error)));
    return;
  }
  const int priority = call->priority;
  Call& queued = *call.take();  // The queue has the reference now.
  enqueue(queued, false);
  if (priorities_.size() < kPrioritiesWatched) {
    priorities_.insert(priority);
  }
  if (priorities_.size() > 1) {
    take_back_lower(priority);
  }
  dispatch();
}

void Scheduler::enqueue(Call& call, bool at_front) {
  CallQueue& queue = call.pinned_slot >= 0 ? slots_[static_cast<std::size_t>(call.pinned_slot)].pinned : queue_;
  if (at_front) {
    queue.push_front(call);
  } else {
    queue.push_back(call);
  }
  pinned_calls_ += call.pinned_slot >= 0 ? 1 : 0;
  call.phase = Call::Phase::kQueued;
  call.revoke_tried = false;
  call.moving = false;
  set_timer(call);
}

void Scheduler::dequeue(Call& call) noexcept {
  CallQueue& queue = call.pinned_slot >= 0 ? slots_[static_cast<std::size_t>(call.pinned_slot)].pinned : queue_;
  queue.remove(call);
  pinned_calls_ -= call.pinned_slot >= 0 ? 1 : 0;
}

std::int32_t Scheduler::slot_of_key(const std::string& key) const noexcept {
  return static_cast<std::int32_t>(std::hash<std::string>{}(key) % slots_.size());
}

std::int32_t Scheduler::slot_for_session() const noexcept {
  std::size_t best = 0;
  std::size_t best_load = SIZE_MAX;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    const Slot& slot = slots_[i];
    const bool ready = slot.link != nullptr && slot.link->state == WorkerLink::State::kReady;
    // A worker that is not there yet counts as a busy one, but a session can wait for it.
    const std::size_t load = ready ? slot.link->open_sessions * 2 + slot.link->in_flight.size() + slot.pinned.size()
                                   : 1000 + slot.pinned.size();
    if (load < best_load) {
      best_load = load;
      best = i;
    }
  }
  return static_cast<std::int32_t>(best);
}

ErrorContext Scheduler::context_of(const Call& call) const {
  ErrorContext context;
  if (call.route != nullptr && call.route->ref.task != nullptr) {
    const PluginInfo& plugin = *call.route->ref.plugin;
    context.task = call.route->ref.task->full_name;
    context.plugin = plugin.name + " " + plugin.version + " (sha256:" + plugin.sha256.substr(0, 12) + ")";
  }
  context.call_id = call.id;
  context.attempt = call.attempt;
  return context;
}

void Scheduler::finish(CallRef call, Result<Reply> outcome) {
  clear_timer(*call);
  call->phase = Call::Phase::kDone;
  --accepted_;
  accepted_bytes_ -= call->counted_bytes;
  ++(outcome ? succeeded_ : failed_);
  effects_.changed = true;
  StoredBytes argument = std::exchange(call->argument, {});
  StoredBytes checkpoint = std::exchange(call->checkpoint, {});
  effects_.finished.push_back({std::move(call), std::move(outcome), std::move(argument), std::move(checkpoint)});
}

void Scheduler::finish_error(CallRef call, ErrorCode code, std::string message, const WorkerLink* link) {
  ErrorContext context = context_of(*call);
  if (link != nullptr) {
    context.stderr_tail = link->error_tail();
  }
  finish(std::move(call), fail(code, std::move(message), std::move(context)));
}

// -- giving calls to workers ------------------------------------------------------------------

bool Scheduler::can_take(const WorkerLink& link) const noexcept {
  // A worker that does not read its control channel gets nothing new: what a call refers to might never arrive.
  return link.state == WorkerLink::State::kReady && !link.exited && link.in_flight.size() < options_.prefetch &&
         link.transport->end().free_slots() > 0 && link.outbox_empty();
}

WorkerLink* Scheduler::least_loaded() const noexcept {
  WorkerLink* best = nullptr;
  for (const Slot& slot : slots_) {
    if (slot.link != nullptr && can_take(*slot.link) &&
        (best == nullptr || slot.link->in_flight.size() < best->in_flight.size())) {
      best = slot.link.get();
      if (best->in_flight.empty()) {
        break;
      }
    }
  }
  return best;
}

Call* Scheduler::next_for(const WorkerLink& link) const noexcept {
  Call* pinned = slots_[link.slot].pinned.front();
  Call* shared = queue_.front();
  if (pinned == nullptr || shared == nullptr) {
    return pinned;
  }
  return shared->priority > pinned->priority ? shared : pinned;
}

void Scheduler::dispatch() {
  retry_place_ns_ = kNever;
  if (pinned_calls_ > 0) {
    for (Slot& slot : slots_) {
      while (slot.link != nullptr && can_take(*slot.link)) {
        Call* call = next_for(*slot.link);
        if (call == nullptr || send(*slot.link, *call) == Sent::kWaits) {
          break;
        }
      }
    }
  }
  while (Call* call = queue_.front()) {
    WorkerLink* link = least_loaded();
    if (link == nullptr || send(*link, *call) == Sent::kWaits) {
      break;
    }
  }
  publish();
}

std::shared_ptr<WorkerLink> Scheduler::submit_direct(CallRef call) {
  if (!queue_.empty() || call->pinned_slot >= 0 || unavailable_) {
    return nullptr;
  }
  for (Slot& slot : slots_) {
    if (slot.link != nullptr && slot.link->in_flight.empty() && !slot.link->direct && slot.pinned.empty() &&
        can_take(*slot.link)) {
      ++accepted_;
      ++submitted_;
      accepted_bytes_ += call->counted_bytes;
      slot.link->direct = true;
      // A bell that is still armed would ring the reactor for nothing.
      slot.link->transport->end().disarm();
      slot.link->bell_armed = false;
      Call& queued = *call.take();
      enqueue(queued, false);
      // Also when the call ended or waits instead: the role is the caller's until it gives it back.
      static_cast<void>(send(*slot.link, queued));
      publish();
      return slot.link;
    }
  }
  return nullptr;
}

Result<bool> Scheduler::place_argument(const WorkerLink& link, Call& call) {
  const BytesView bytes = call.argument.bytes;
  if (bytes.size() >= kLargeBlockBytes && link.in_flight.size() >= kPlacedAhead) {
    return false;  // The worker's next answer brings the call its turn.
  }
  auto stored = arguments_.store(bytes);
  if (!stored && bytes.size() < kLargeBlockBytes) {
    stored = arguments_.store_apart(bytes);
  }
  if (stored) {
    starved_since_ns_ = kNever;
    call.argument = std::move(*stored);
    return true;
  }
  if (!is_shortage(stored.error())) {
    return fail(std::move(stored.error()));
  }
  // Calls in flight give descriptors back when they end; what ended just now may not have done so yet.
  const MonotonicNs now_ns = monotonic_now_ns();
  const bool in_flight = std::any_of(slots_.begin(), slots_.end(), [](const Slot& slot) {
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
  effects_.rearm = true;
  return false;
}

Scheduler::Sent Scheduler::send(WorkerLink& link, Call& queued) {
  const bool session_lost = queued.session_bound && queued.session->link_id != link.id;
  if (!session_lost && queued.argument.storage != nullptr && !queued.argument.place()) {
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
    finish_error(std::move(call), ErrorCode::kCrashed,
                 "the worker of this session is gone; open a new session from the last checkpoint");
    return Sent::kEnded;
  }
  SubmissionDescriptor descriptor;
  descriptor.call_id = call->id;
  descriptor.session_id = call->session != nullptr ? call->session->id : 0;
  descriptor.route = call->route->number;
  descriptor.kind = call->kind;
  descriptor.flags = call->flags;
  descriptor.attempt = ++call->attempt;
  descriptor.max_results = call->max_results;
  descriptor.deadline_ns = call->deadline_ns;
  const bool idle = link.in_flight.empty();
  if (idle && call->run_timeout_ns != kNever) {
    descriptor.deadline_ns = std::min(descriptor.deadline_ns, later(monotonic_now_ns(), call->run_timeout_ns));
  }
  std::optional<BytesView> payload;
  if (call->argument.storage != nullptr) {
    // What is given as storage has a place: the submitter has seen to it.
    descriptor.argument = call->argument.place().value_or(BlockRef{});
    link.introduce_segment(call->argument.storage->segment());
  } else if (!call->argument_absent) {
    payload = call->payload();
  }
  if (call->checkpoint.storage != nullptr) {
    descriptor.checkpoint = call->checkpoint.place().value_or(BlockRef{});
    link.introduce_segment(call->checkpoint.storage->segment());
  }
  const auto settings = settings_.find(call->route->ref.plugin->name);
  link.introduce_route(call->route, settings == settings_.end() ? StoredBytes{} : settings->second);
  auto position = link.transport->end().push(descriptor, payload);
  if (!position) {
    Error error = std::move(position.error());
    error.context = context_of(*call);
    finish(std::move(call), fail(std::move(error)));
    return Sent::kEnded;
  }
  if (call->kind == CallKind::kOpen) {
    call->session->link_id = link.id;
  }
  call->phase = Call::Phase::kSent;
  call->slot = link.slot;
  call->position = *position;
  link.unpublished = true;
  link.in_flight.push_back({*position, std::move(call)});
  if (idle) {
    begin_next(link);
  } else {
    set_timer(*link.in_flight.back().call);
  }
  return Sent::kSent;
}

void Scheduler::publish() {
  for (Slot& slot : slots_) {
    if (slot.link != nullptr && slot.link->unpublished) {
      slot.link->unpublished = false;
      slot.link->transport->end().publish();
      ensure_reaper(*slot.link);
    }
  }
}

void Scheduler::begin_next(WorkerLink& link) {
  if (link.in_flight.empty()) {
    return;
  }
  Call& call = *link.in_flight.front().call;
  call.run_deadline_ns = call.run_timeout_ns == kNever ? kNever : later(monotonic_now_ns(), call.run_timeout_ns);
  if (call.stop_reason != StopReason::kNone) {
    link.transport->end().cancel(call.id);  // It was asked before its turn; the word holds one call at a time.
  }
  set_timer(call);
}

bool Scheduler::take_back(WorkerLink& link, Call& call) {
  if (call.revoke_tried) {
    return false;
  }
  call.revoke_tried = true;
  return link.transport->end().revoke(call.position) == Revoked::kTaken;
}

CallRef Scheduler::take_out(WorkerLink& link, const Call& call) {
  const auto found = std::find_if(link.in_flight.begin(), link.in_flight.end(),
                                  [&](const WorkerLink::InFlight& entry) { return entry.call.get() == &call; });
  const bool was_front = found == link.in_flight.begin();
  CallRef taken = std::move(found->call);
  link.in_flight.erase(found);
  if (was_front) {
    begin_next(link);
  }
  if (link.direct) {
    // Lets the thread that waits directly see that its call has been taken from under it.
    link.transport->end().wake_host();
  }
  return taken;
}

void Scheduler::steal_for(WorkerLink& link) {
  if (!queue_.empty() || !link.in_flight.empty() || !can_take(link)) {
    return;
  }
  WorkerLink* victim = nullptr;
  for (const Slot& slot : slots_) {
    if (slot.link != nullptr && slot.link.get() != &link && slot.link->in_flight.size() > 1 &&
        (victim == nullptr || slot.link->in_flight.size() > victim->in_flight.size())) {
      victim = slot.link.get();
    }
  }
  if (victim == nullptr) {
    return;
  }
  std::size_t wanted = victim->in_flight.size() / 2;
  // From the back: what is to run last has the longest to wait. The front one runs.
  for (std::size_t i = victim->in_flight.size() - 1; i > 0 && wanted > 0; --i) {
    Call& call = *victim->in_flight[i].call;
    if (call.pinned_slot >= 0 || call.revoke_tried || call.stop_reason != StopReason::kNone) {
      continue;
    }
    --wanted;
    if (take_back(*victim, call)) {
      CallRef taken = std::move(victim->in_flight[i].call);
      victim->in_flight.erase(victim->in_flight.begin() + static_cast<std::ptrdiff_t>(i));
      --taken->attempt;
      enqueue(*taken.take(), true);
    } else {
      call.moving = true;
    }
  }
}

void Scheduler::take_back_lower(int priority) {
  for (Slot& slot : slots_) {
    if (slot.link == nullptr) {
      continue;
    }
    auto& in_flight = slot.link->in_flight;
    for (std::size_t i = in_flight.size(); i-- > 1;) {
      Call& call = *in_flight[i].call;
      // Steps of a session stay: one that comes back late would fall behind those after it.
      if (call.priority < priority && !call.session_bound && !call.revoke_tried &&
          call.stop_reason == StopReason::kNone) {
        if (take_back(*slot.link, call)) {
          CallRef taken = std::move(in_flight[i].call);
          in_flight.erase(in_flight.begin() + static_cast<std::ptrdiff_t>(i));
          --taken->attempt;
          enqueue(*taken.take(), true);
        } else {
          call.moving = true;
        }
      }
    }
  }
}

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
  if (take_back(link, call)) {
    finish_error(take_out(link, call), ErrorCode::kCancelled, "the call was cancelled before it began");
    return true;
  }
  ask_to_stop(link, call, StopReason::kCancelled);
  return false;
}

void Scheduler::ask_to_stop(WorkerLink& link, Call& call, StopReason reason) {
  call.stop_reason = reason;
  call.kill_at_ns = later(monotonic_now_ns(), options_.cancel_grace_ns);
  if (link.in_flight.front().call.get() == &call || call.position < link.transport->end().begun()) {
    link.transport->end().cancel(call.id);  // Otherwise begin_next does: the word may hold the call that runs.
  }
  set_timer(call);
}

void Scheduler::cancel_all() {
  fail_queued(Error{ErrorCode::kCancelled, "the runtime was shut down before the call began", {}});
  for (Slot& slot : slots_) {
    if (slot.link == nullptr) {
      continue;
    }
    std::vector<Call*> sent;
    for (const auto& entry : slot.link->in_flight) {
      sent.push_back(entry.call.get());
    }
    // From the back, so that what has not begun goes before the worker comes to it.
    for (auto call = sent.rbegin(); call != sent.rend(); ++call) {
      cancel(**call);
    }
  }
}

std::optional<Progress> Scheduler::progress(const Call& call) {
  if (call.phase != Call::Phase::kSent) {
    return std::nullopt;
  }
  const auto report = slots_[call.slot].link->transport->end().progress();
  if (!report || report->call_id != call.id) {
    return std::nullopt;
  }
  return Progress{report->done, report->total};
}

void Scheduler::set_timer(Call& call) {
  MonotonicNs at_ns = kNever;
  if (call.kill_at_ns != kNever) {
    at_ns = call.kill_at_ns;
  } else if (call.stop_reason == StopReason::kNone) {
    at_ns = call.deadline_ns;
    if (call.phase == Call::Phase::kQueued && call.attempt == 0) {
      at_ns = std::min(at_ns, call.queue_deadline_ns);
    } else if (call.phase == Call::Phase::kSent) {
      at_ns = std::min(at_ns, call.run_deadline_ns);
      if (call.attempt == 1 && call.position >= slots_[call.slot].link->transport->end().begun()) {
        at_ns = std::min(at_ns, call.queue_deadline_ns);
      }
    }
  }
  if (at_ns == call.timer_ns) {
    return;
  }
  clear_timer(call);
  call.timer_ns = at_ns;
  if (at_ns != kNever) {
    const auto [entry, inserted] = timers_.emplace(at_ns, &call);
    effects_.rearm = effects_.rearm || entry == timers_.begin();
  }
}

void Scheduler::clear_timer(Call& call) noexcept {
  if (call.timer_ns != kNever) {
    timers_.erase({call.timer_ns, &call});
    call.timer_ns = kNever;
  }
}

void Scheduler::on_call_timer(Call& call, MonotonicNs now_ns) {
  const bool late = call.deadline_ns <= now_ns;
  if (call.stop_reason == StopReason::kNone) {
    call.passed = late                             ? TimeLimit::kTimeout
                  : call.run_deadline_ns <= now_ns ? TimeLimit::kRunTimeout
                                                   : TimeLimit::kQueueTimeout;
  }
  if (call.phase == Call::Phase::kQueued) {
    dequeue(call);
    std::string why = call.deadline_text();
    finish_error(CallRef::adopt(&call), ErrorCode::kDeadline, std::move(why));
    return;
  }
  WorkerLink& link = *slots_[call.slot].link;
  if (call.kill_at_ns <= now_ns) {
    // Asked to stop, and still here; unless its answer, or that of the call before it, waits to be read.
    if (!link.direct) {
      reap(link);
      if (call.phase != Call::Phase::kSent || link.kill_reason) {
        return;
      }
    }
    const bool began = &call == link.in_flight.front().call.get();
    if (!began) {
      // Not its turn yet: it will be returned, or asked again when it runs.
      call.kill_at_ns = later(now_ns, std::max(options_.cancel_grace_ns, kShortestGraceNs));
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
    call.kill_at_ns = kNever;
    set_timer(call);
    link.kill_reason = std::move(reason);
    link.killed_call_id = call.id;
    link.kill();
    return;
  }
  const bool begun = call.position < link.transport->end().begun();
  if (!begun && take_back(link, call)) {
    std::string why = call.deadline_text();
    finish_error(take_out(link, call), ErrorCode::kDeadline, std::move(why));
    return;
  }
  if (late || call.run_deadline_ns <= now_ns) {
    ask_to_stop(link, call, StopReason::kDeadline);
  } else {
    // It has begun in time: the queue's deadline concerns it no more.
    call.queue_deadline_ns = kNever;
    set_timer(call);
  }
}

void Scheduler::on_timer(MonotonicNs now_ns) {
  while (!timers_.empty() && timers_.begin()->first <= now_ns) {
    Call& call = *timers_.begin()->second;
    clear_timer(call);
    on_call_timer(call, now_ns);
  }
  for (Slot& slot : slots_) {
    if (slot.link == nullptr || slot.link->exited) {
      continue;
    }
    WorkerLink& link = *slot.link;
    if (link.state == WorkerLink::State::kStarting && link.start_deadline_ns <= now_ns) {
      link.start_deadline_ns = kNever;
      link.refusal = "it did not answer within start_timeout";
      link.kill();
    }
    if (link.stop_deadline_ns <= now_ns) {
      link.stop_deadline_ns = kNever;
      link.kill();
    }
  }
  dispatch();
}

MonotonicNs Scheduler::next_deadline() const noexcept {
  constexpr MonotonicNs kRetryNs = 5'000'000;
  MonotonicNs next_ns = std::min(retry_place_ns_, timers_.empty() ? kNever : timers_.begin()->first);
  for (const Slot& slot : slots_) {
    if (slot.link != nullptr) {
      next_ns = std::min({next_ns, slot.link->start_deadline_ns, slot.link->stop_deadline_ns});
      if (!slot.link->outbox_empty()) {
        next_ns = std::min(next_ns, later(monotonic_now_ns(), kRetryNs));
      }
    } else if (!slot.starting && !stopping_) {
      next_ns = std::min(next_ns, slot.next_start_ns);
    }
  }
  return next_ns;
}

void Scheduler::fill_stats(RuntimeStats& stats) const {
  stats.submitted = submitted_;
  stats.succeeded = succeeded_;
  stats.failed = failed_;
  stats.crashed_workers = crashed_workers_;
  for (const Slot& slot : slots_) {
    if (slot.link != nullptr && slot.link->state == WorkerLink::State::kReady) {
      stats.running += slot.link->in_flight.empty() ? 0 : 1;
      stats.workers.push_back({slot.link->id, slot.link->handle->pid(), slot.link->calls_done});
    }
  }
  stats.queued = accepted_ - stats.running;
}

}  // namespace tenon::internal
