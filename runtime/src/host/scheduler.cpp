#include "host/scheduler.hpp"

#include <algorithm>
#include <chrono>
#include <new>
#include <utility>

#include "base/hot.hpp"
#include "host/bulk_parts.hpp"
#include "platform/debugger.hpp"

namespace tenon::internal {

namespace {

/// Between two checks of a worker that a debugger holds.
constexpr std::int64_t kDebugNs = 250'000'000;
/// How soon a message is sent again if its channel was full.
constexpr std::int64_t kRetrySendNs = 5'000'000;

Error shut_down_error() {
  return Error{ErrorCode::kCancelled, "the runtime was shut down before the call began", {}};
}

}  // namespace

Scheduler::Scheduler(const SchedulerOptions& options, ArgumentMemory& arguments,
                     const WorkerMessages::Settings& settings)
    : slots_({.primary_slots = options.workers,
              .first_workers = options.first_workers,
              .start_patience_ns = options.start_timeout_ns}),
      trials_(slots_),
      wear_({.recycle_after_calls = options.recycle_after_calls, .measures_memory = options.measures_memory}, effects_),
      ledger_(timers_, effects_),
      backlog_(slots_, timers_, ledger_, closing_, effects_),
      roster_({.cores = options.cores, .cancel_grace_ns = options.cancel_grace_ns}, slots_, wear_, effects_),
      sent_(options.cancel_grace_ns, slots_, roster_, backlog_),
      recall_(slots_, roster_, backlog_, sent_),
      bulk_(slots_, wear_, ledger_, backlog_, sent_),
      orphans_(roster_, ledger_, backlog_, bulk_, closing_, effects_),
      replies_({.slots = slots_,
                .wear = wear_,
                .roster = roster_,
                .ledger = ledger_,
                .backlog = backlog_,
                .sent = sent_,
                .recall = recall_,
                .bulk = bulk_,
                .orphans = orphans_,
                .effects = effects_}),
      stalls_(options.stall_timeout_ns, slots_, roster_, ledger_, recall_, replies_, effects_),
      placement_(slots_, roster_, ledger_, backlog_, effects_),
      messages_(settings, slots_, roster_, effects_),
      dispatcher_({.slots = slots_,
                   .roster = roster_,
                   .ledger = ledger_,
                   .backlog = backlog_,
                   .sent = sent_,
                   .placement = placement_,
                   .replies = replies_,
                   .stalls = stalls_,
                   .messages = messages_,
                   .arguments = arguments,
                   .effects = effects_}),
      limits_(options.cancel_grace_ns, {.slots = slots_,
                                        .timers = timers_,
                                        .ledger = ledger_,
                                        .backlog = backlog_,
                                        .sent = sent_,
                                        .recall = recall_,
                                        .replies = replies_,
                                        .stalls = stalls_}),
      lives_(options.start_timeout_ns, {.slots = slots_,
                                        .roster = roster_,
                                        .backlog = backlog_,
                                        .placement = placement_,
                                        .orphans = orphans_,
                                        .replies = replies_,
                                        .closing = closing_,
                                        .effects = effects_}),
      generations_(options.cancel_grace_ns, {.slots = slots_,
                                             .trials = trials_,
                                             .wear = wear_,
                                             .roster = roster_,
                                             .backlog = backlog_,
                                             .ledger = ledger_,
                                             .recall = recall_,
                                             .placement = placement_,
                                             .dispatcher = dispatcher_,
                                             .limits = limits_,
                                             .closing = closing_,
                                             .effects = effects_}) {}

// -- calls --------------------------------------------------------------------------------------

void Scheduler::submit(CallRef call) {
  accept(std::move(call));
  serve_queue();
}

void Scheduler::submit_all(Call* first) {
  while (first != nullptr) {
    Call* next = first->next();
    CallRef call = CallRef::adopt(first);
    try {
      accept(call);
    } catch (const std::bad_alloc&) {
      end_without_memory(std::move(call));
    }
    first = next;
  }
  try {
    serve_queue();
  } catch (const std::bad_alloc&) {
    effects_->again = true;  // These calls belong to other threads and stay queued: the reactor tries later.
  }
}

void Scheduler::end_without_memory(CallRef call) noexcept {
  if (call->phase != Call::Phase::kNew) {
    return;  // It is queued or has ended.
  }
  try {
    ledger_.finish(call, fail(ErrorCode::kOutOfMemory, "no memory left"));
  } catch (const std::bad_alloc&) {
    call->announce();  // Announced under the lock, because there is no memory to record it for later either.
  }
}

void Scheduler::refuse(CallRef call, ErrorCode code, std::string message) {
  ledger_.accept(*call);
  ledger_.finish_error(std::move(call), code, std::move(message));
}

void Scheduler::accept(CallRef call) {
  ledger_.accept(*call);
  if (call->kind == CallKind::kBulk) {
    link_part(*call);
  }
  if (lives_.unavailable()) {
    Error error = *lives_.unavailable();
    error.context = CallLedger::context_of(*call);
    ledger_.finish(std::move(call), fail(std::move(error)));
    return;
  }
  if (!trials_.empty()) {
    trials_.divert(*call);
  }
  if (call->details().pinned_slot >= 0 && !placement_.place_pinned(*call)) {
    Error error = Placement::lost_call_error(*call);
    ledger_.finish(std::move(call), fail(std::move(error)));
    return;
  }
  const int priority = call->details().priority;
  backlog_.enqueue(*call.take(), false);
  if (backlog_.note_priority(priority)) {
    recall_.take_back_lower(priority);
  }
}

void Scheduler::serve_queue() {
  dispatcher_.dispatch();
  if (!backlog_.empty()) {
    reap_round();
  }
}

TENON_HOT std::shared_ptr<WorkerLink> Scheduler::submit_direct(CallRef call) {
  WorkerLink* link = roster_.idle();
  if (link == nullptr || !backlog_.empty() || call->details().pinned_slot >= 0 || lives_.unavailable() ||
      link->reaper.direct() || !link->in_flight.empty() || !slots_.of(*link).pinned.empty() ||
      !roster_.can_take(*link) || (!trials_.empty() && call->route()->trial != nullptr)) {
    return nullptr;
  }
  ledger_.accept(*call);
  take_reaper(*link);
  Call& queued = *call.take();
  backlog_.enqueue(queued, false);
  dispatcher_.send_direct(*link, queued);
  return slots_.of(*link).link;
}

void Scheduler::cancel_items(const BulkWork& work, std::uint32_t from, std::uint32_t count) {
  bulk_.cancel_items(work, from, count);
  dispatcher_.dispatch();
}

void Scheduler::cancel_all_queued() {
  closing_.take_nothing_back();
  limits_.cancel_all_queued();
}

// -- the reaper's role --------------------------------------------------------------------------

void Scheduler::take_reaper(WorkerLink& link) {
  link.reaper.take();
  // An armed bell would wake the reactor for nothing.
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

TENON_HOT bool Scheduler::reap_direct(WorkerLink& link, const Call& call) {
  replies_.reap(link);
  if (link.reaper.exited()) {
    bury(link);
    return true;
  }
  // The call is neither done nor taken back for another worker: this worker still has it.
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
  recall_.steal_for(link);
  if (backlog_.waits()) {
    dispatcher_.dispatch();
  }
  replies_.ensure_reaper(link);
}

// -- what the reactor sees ----------------------------------------------------------------------

void Scheduler::start_freely(MonotonicNs from_ns) {
  effects_->rearm = slots_.start_freely(from_ns) || effects_->rearm;
}

void Scheduler::on_bell(WorkerLink& link) {
  link.bell_watch.rang();
  take_rung(link);
}

void Scheduler::on_due_bells() {
  for (const std::uint64_t id : replies_.take_due()) {
    if (WorkerLink* link = slots_.find(id); link != nullptr && link->reaper.due()) {
      take_rung(*link);
    }
  }
}

void Scheduler::take_rung(WorkerLink& link) {
  if (!link.reaper.rang()) {
    return;  // The bell rang before the direct thread took the role.
  }
  if (replies_.reap(link) < 2 && link.in_flight.empty()) {
    roster_.set_streaming(link, false);
  }
  recall_.steal_for(link);
  dispatcher_.dispatch();
  replies_.ensure_reaper(link);
}

void Scheduler::reap_round() {
  if (WorkerLink* link = replies_.next_replied()) {
    replies_.reap(*link);
    recall_.steal_for(*link);
    dispatcher_.dispatch();
    replies_.ensure_reaper(*link);
  }
}

void Scheduler::on_exit(WorkerLink& link) {
  if (link.reaper.direct()) {
    // The direct thread has the reaper's role and cleans up after the worker.
    link.reaper.note_exit();
    roster_.relist(link);
    link.transport->end().wake_host();
    return;
  }
  bury(link);
}

void Scheduler::bury(WorkerLink& link) {
  lives_.bury(link);
  dispatcher_.dispatch();
}

void Scheduler::on_message(WorkerLink& link, BytesView message, const WorkerMessages::Resolve& resolve) {
  if (!messages_.take(link, message, resolve)) {
    return;
  }
  lives_.note_ready();
  if (closing_.stopping()) {
    stop_workers();
    return;
  }
  recall_.steal_for(link);
  dispatcher_.dispatch();
}

void Scheduler::on_timer(MonotonicNs now_ns) {
  limits_.on_timer(now_ns);
  if (roster_.next_tick_ns() <= now_ns) {
    on_tick(now_ns);
  }
  if (replies_.next_bell_check_ns() <= now_ns) {
    check_bells(now_ns);
  }
  if (stalls_.next_look_ns() <= now_ns) {
    stalls_.look(now_ns);
  }
  for (const WorkerSlot& slot : slots_) {
    if (slot.link != nullptr && !slot.link->reaper.exited()) {
      check_deadlines(*slot.link, now_ns);
    }
  }
  give_up_lost(now_ns);
  dispatcher_.dispatch();
}

void Scheduler::give_up_lost(MonotonicNs now_ns) {
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    const std::shared_ptr<WorkerLink> link = slots_[i].link;
    if (link == nullptr || link->reaper.exited() || link->give_up_ns > now_ns) {
      continue;
    }
    link->give_up_ns = kNever;
    if (link->handle->give_up()) {
      warn(*effects_, *link,
           "worker " + std::to_string(link->id) + " (process " + std::to_string(link->handle->pid()) +
               ") was killed, but the system has not ended it; it is frozen or blocked in a system call, and the host "
               "does without it");
      on_exit(*link);
    }
  }
}

void Scheduler::on_tick(MonotonicNs now_ns) {
  roster_.begin_tick();
  for (const WorkerSlot& slot : slots_) {
    if (slot.link != nullptr && slot.link->streaming) {
      replies_.tick(*slot.link, now_ns);
    }
  }
  if (WorkerLink* idle = roster_.idle()) {
    recall_.steal_for(*idle);
  }
  roster_.end_tick(now_ns);
}

void Scheduler::check_bells(MonotonicNs now_ns) {
  for (const Replies::Missed& missed : replies_.check_bells(now_ns)) {
    take_rung(*missed.link);
    if (missed.lost) {
      roster_.break_link(*missed.link, Error{ErrorCode::kCorrupt, "it answers calls without ringing for them", {}});
    }
  }
}

void Scheduler::check_deadlines(WorkerLink& link, MonotonicNs now_ns) {
  if (link.state == WorkerLink::State::kStarting && link.start_deadline_ns <= now_ns) {
    const bool debugged = debugger_attached(link.handle->pid());
    link.start_deadline_ns = debugged ? later(now_ns, kDebugNs) : kNever;
    if (!debugged) {
      link.refusal = "it did not answer within start_timeout";
      link.kill();
    }
  }
  if (link.stop_deadline_ns <= now_ns) {
    const bool debugged = !closing_.stopping() && debugger_attached(link.handle->pid());
    link.stop_deadline_ns = debugged ? later(now_ns, kDebugNs) : kNever;
    if (!debugged) {
      link.kill();
    }
  }
  if (link.session_deadline_ns <= now_ns) {
    generations_.end_overstayed(link, now_ns);
  }
  if (slots_.of(link).is_extra()) {
    roster_.dismiss_if_done(link);
  }
}

MonotonicNs Scheduler::next_deadline() const noexcept {
  MonotonicNs next_ns = std::min({dispatcher_.retry_ns(), roster_.next_tick_ns(), replies_.next_bell_check_ns(),
                                  stalls_.next_look_ns(), limits_.next_ns(), slots_.next_start_ns()});
  for (const WorkerSlot& slot : slots_) {
    if (slot.link == nullptr) {
      continue;
    }
    next_ns =
        std::min({next_ns, slot.link->start_deadline_ns, slot.link->stop_deadline_ns, slot.link->session_deadline_ns});
    if (!slot.link->reaper.exited()) {
      next_ns = std::min(next_ns, slot.link->give_up_ns);
    }
    if (!slot.link->outbox_empty()) {
      next_ns = std::min(next_ns, later(monotonic_now_ns(), kRetrySendNs));
    }
  }
  return next_ns;
}

void Scheduler::retire(const Retired::Numbers& numbers) {
  if (numbers.segments.empty() && numbers.routes.empty()) {
    return;
  }
  for (const WorkerSlot& slot : slots_) {
    if (slot.link == nullptr) {
      continue;
    }
    for (const std::uint32_t number : numbers.segments) {
      slot.link->drop_segment(number);
    }
    for (const std::uint32_t number : numbers.routes) {
      slot.link->drop_route(number);
    }
  }
}

void Scheduler::flush_outboxes() {
  for (const WorkerSlot& slot : slots_) {
    if (slot.link != nullptr && !slot.link->outbox_empty()) {
      slot.link->flush_outbox();
      roster_.relist(*slot.link);
    }
  }
  dispatcher_.dispatch();
}

// -- the end ------------------------------------------------------------------------------------

void Scheduler::stop_workers() {
  closing_.stop();
  slots_.stop_starts();
  effects_->rearm = true;
  for (const WorkerSlot& slot : slots_) {
    if (slot.link != nullptr) {
      roster_.dismiss(*slot.link);
    }
  }
}

void Scheduler::kill_workers() {
  closing_.kill();
  slots_.stop_starts();
  effects_->rearm = true;
  backlog_.fail_all(shut_down_error());
  for (const WorkerSlot& slot : slots_) {
    if (slot.link != nullptr) {
      slot.link->kill();
    }
  }
}

void Scheduler::fill_stats(RuntimeStats& stats) const {
  ledger_.fill_stats(stats);
  stats.crashed_workers = lives_.crashed();
  for (const WorkerSlot& slot : slots_) {
    if (const WorkerLink* link = slot.ready_link()) {
      stats.running += link->in_flight.empty() ? 0 : 1;
      stats.workers.push_back(
          {link->id, link->handle->pid(), link->calls_done, std::chrono::nanoseconds(link->mean_run_ns)});
    }
  }
  stats.queued = ledger_.accepted() - stats.running;
}

}  // namespace tenon::internal
