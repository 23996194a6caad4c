/// The scheduler's part about workers that come and go, and what they say.
#include <algorithm>
#include <utility>

#include <tenon/control_generated.h>
#include <tenon/plugin.h>

#include "base/text.hpp"
#include "host/scheduler.hpp"

namespace tenon::internal {

namespace {

constexpr std::size_t kMaxErrorBytes = 8192;
constexpr std::size_t kMaxNameBytes = 256;
/// Messages that wait for a worker when it asks for something; more than honest work brings about.
constexpr std::size_t kMaxUnreadMessages = 16'384;

std::string text_of(const flatbuffers::String* text) {
  return text == nullptr ? std::string() : text->str();
}

}  // namespace

// -- starting ---------------------------------------------------------------------------------

std::optional<std::uint32_t> Scheduler::next_start(MonotonicNs now_ns) {
  if (stopping_ || !may_start()) {
    return std::nullopt;
  }
  // In turns: workers that end as soon as they are there must not keep those of another version from being started.
  for (std::size_t turn = 0; turn < slots_.size(); ++turn) {
    const std::size_t i = (start_cursor_ + turn) % slots_.size();
    Slot& slot = slots_[i];
    if (wants_start(slot) && slot.starts.due_ns() <= now_ns) {
      slot.starting = true;
      slot.started_once = true;
      start_cursor_ = i + 1;
      return static_cast<std::uint32_t>(i);
    }
  }
  return std::nullopt;
}

void Scheduler::start_freely(MonotonicNs from_ns) {
  options_.first_workers = kEveryWorker;
  for (Slot& slot : slots_) {
    if (wants_start(slot)) {
      slot.starts.delay_until(from_ns);
      effects_->rearm = true;
    }
  }
}

bool Scheduler::may_start() const noexcept {
  return options_.first_workers == kEveryWorker || link_count() < options_.first_workers;
}

void Scheduler::started(std::shared_ptr<WorkerLink> link) {
  Slot& slot = slots_[link->slot];
  slot.starting = false;
  link->start_deadline_ns = monotonic_now_ns() + options_.start_timeout_ns;
  slot.link = std::move(link);
  if (stopping_) {
    slot.link->kill();
  } else if (slot.role == Role::kAside) {
    dismiss_if_done(*slot.link);  // Nobody needs it any more.
  }
}

void Scheduler::start_failed(std::uint32_t slot, Error error) {
  slots_[slot].starting = false;
  if (!stopping_) {
    note_start_failure(slots_[slot], std::move(error));
  }
  if (is_extra(slots_[slot])) {
    free_extra_slot(slot);
  }
}

void Scheduler::note_start_failure(Slot& slot, Error error) {
  const MonotonicNs now_ns = monotonic_now_ns();
  slot.starts.note_failure(now_ns);
  options_.first_workers = kEveryWorker;
  effects_->changed = true;
  effects_->rearm = true;
  effects_->log.push_back({LogLevel::kError, error.message, {}, {}, 0, 0});
  const bool hopeless = std::all_of(slots_.begin(), slots_.end(), [&](const Slot& each) {
    return is_extra(each) || (each.link == nullptr && given_up(each, now_ns));
  });
  error.code = ErrorCode::kUnavailable;
  if (!hopeless && (given_up(slot, now_ns) || slot.role == Role::kWarm)) {
    fail_all(slot.pinned, error);  // Calls of this slot alone have no other worker to go to.
  }
  if (hopeless) {
    unavailable_ = std::move(error);
    fail_queued(*unavailable_);
  }
}

bool Scheduler::given_up(const Slot& slot, MonotonicNs now_ns) const noexcept {
  return ever_ready_ ? slot.starts.failed_for(options_.start_timeout_ns, now_ns) : slot.starts.failed_often();
}

std::uint32_t Scheduler::ready_count() const noexcept {
  return static_cast<std::uint32_t>(std::count_if(slots_.begin(), slots_.end(), [this](const Slot& slot) {
    return !is_extra(slot) && slot.link != nullptr && slot.link->state == WorkerLink::State::kReady;
  }));
}

std::uint32_t Scheduler::link_count() const noexcept {
  return static_cast<std::uint32_t>(std::count_if(
      slots_.begin(), slots_.end(), [](const Slot& slot) { return slot.link != nullptr || slot.starting; }));
}

WorkerLink* Scheduler::find_link(std::uint64_t id) noexcept {
  for (Slot& slot : slots_) {
    if (slot.link != nullptr && slot.link->id == id) {
      return slot.link.get();
    }
  }
  return nullptr;
}

// -- messages ---------------------------------------------------------------------------------

void Scheduler::on_message(WorkerLink& link, BytesView message, const Resolve& resolve) {
  flatbuffers::Verifier verifier(message.data(), message.size());
  if (!verifier.VerifyBuffer<control::WorkerEnvelope>(nullptr)) {
    break_link(link, Error{ErrorCode::kCorrupt, "the worker sent a message that does not verify", {}});
    return;
  }
  const auto* envelope = flatbuffers::GetRoot<control::WorkerEnvelope>(message.data());
  if (const auto* ready = envelope->message_as_Ready()) {
    if (link.state != WorkerLink::State::kStarting) {
      break_link(link, Error{ErrorCode::kCorrupt, "the worker said twice that it is ready", {}});
      return;
    }
    if (ready->protocol() != kLayoutVersion || ready->abi_major() != TENON_ABI_MAJOR) {
      link.refusal = "it speaks another protocol; use the tenon-worker that was built with this library";
      link.kill();
      return;
    }
    if (auto sealed =
            check_seals(link.transport->results()->descriptor(), {.shrink = true, .grow = true, .future_write = true});
        !sealed) {
      link.refusal = "it did not seal its result memory against other writers; use the tenon-worker that was built " +
                     std::string("with this library");
      link.kill();
      return;
    }
    link.state = WorkerLink::State::kReady;
    link.start_deadline_ns = kNever;
    slots_[link.slot].starts.note_ready();
    ever_ready_ = true;
    relist(link);
    unavailable_.reset();
    effects_->changed = true;
    if (stopping_) {
      stop_workers();
      return;
    }
    steal_for(link);
    dispatch();
  } else if (const auto* refused = envelope->message_as_Refused()) {
    link.refusal = printable(refused->message()->str(), kMaxErrorBytes);
    link.kill();
  } else if (const auto* log = envelope->message_as_Log()) {
    if (!link.may_log(log->message()->size())) {
      link.count_dropped_lines(effects_->log);
      return;
    }
    const int level = std::clamp(log->level(), TENON_LOG_DEBUG + 0, TENON_LOG_ERROR + 0);
    const GenerationRef* generation = link.generation_of(text_of(log->plugin()));
    effects_->log.push_back({static_cast<LogLevel>(level), printable(log->message()->str(), kMaxErrorBytes),
                             printable(text_of(log->plugin()), kMaxNameBytes),
                             printable(text_of(log->task()), kMaxNameBytes), link.id, log->call_id(),
                             generation == nullptr ? nullptr : *generation});
  } else if (const auto* wanted = envelope->message_as_Resolve()) {
    if (link.outbox_size() > kMaxUnreadMessages) {
      // An honest worker waits for one answer before it asks again.
      break_link(link, Error{ErrorCode::kCorrupt, "the worker asks without reading the answers", {}});
      return;
    }
    // A worker can have one generation of a plugin alone: the one it has, if it has one.
    const std::string task = wanted->task()->str();
    const GenerationRef* bound = link.generation_of(std::string_view(task).substr(0, task.find('.')));
    auto route = resolve(task, bound == nullptr ? nullptr : *bound);
    if (route) {
      const auto settings = settings_.find((*route)->ref.plugin->name);
      link.introduce_route(*route, settings == settings_.end() ? StoredBytes{} : settings->second);
    }
    link.send_resolved(wanted->request(), route);
  } else {
    break_link(link, Error{ErrorCode::kCorrupt, "the worker sent a message of an unknown kind", {}});
  }
}

void Scheduler::retire(const Retired::Numbers& numbers) {
  for (Slot& slot : slots_) {
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
  for (Slot& slot : slots_) {
    if (slot.link != nullptr && !slot.link->outbox_empty()) {
      slot.link->flush_outbox();
      relist(*slot.link);
    }
  }
  dispatch();
}

void Scheduler::warn(const WorkerLink& link, std::string message) {
  effects_->log.push_back({LogLevel::kWarning, std::move(message), {}, {}, link.id, 0});
}

// -- the end of a worker ----------------------------------------------------------------------

void Scheduler::break_link(WorkerLink& link, Error reason) {
  if (link.state == WorkerLink::State::kDead || link.kill_reason) {
    return;
  }
  warn(link, "worker " + std::to_string(link.id) + " is broken and is ended: " + reason.message);
  reason.code = ErrorCode::kCrashed;
  reason.message = "the worker broke the protocol and was ended: " + reason.message;
  link.kill_reason = std::move(reason);
  if (link.state == WorkerLink::State::kReady) {
    link.state = WorkerLink::State::kStopping;  // Takes no further calls.
    relist(link);
  }
  link.kill();
}

void Scheduler::on_exit(WorkerLink& link) {
  if (link.direct) {
    // The thread that waits directly has the reaper's role; it buries the worker.
    link.exited = true;
    relist(link);
    link.transport->end().wake_host();
    return;
  }
  bury(link);
}

void Scheduler::bury(WorkerLink& link) {
  Slot& slot = slots_[link.slot];
  const std::shared_ptr<WorkerLink> keep = slot.link;
  const bool was_ready = link.state != WorkerLink::State::kStarting;
  if (was_ready && (!link.kill_reason || link.killed_call_id != 0)) {
    reap(link);  // What it answered before it died counts.
  }
  link.read_error_stream(effects_->log);
  const bool expected = link.dismissed || stopping_ || killing_;
  link.state = WorkerLink::State::kDead;
  relist(link);
  set_streaming(link, false);
  const ExitStatus status = link.handle->exit_status().value_or(ExitStatus{});
  slot.link = nullptr;
  if (std::exchange(link.bell_due, false)) {
    --bells_due_;
  }
  effects_->buried.push_back(keep);
  effects_->changed = true;
  effects_->rearm = true;

  if (!expected) {
    ++crashed_workers_;
    if (was_ready) {
      warn(link, "worker " + std::to_string(link.id) + " ended with " + status.to_string() +
                     (is_extra(slot) ? "" : "; another one takes its place"));
    }
  }
  const std::uint64_t begun = link.transport->end().begun();
  // From the back, so that those that go back into the queue keep their order.
  for (std::uint64_t position = link.in_flight.end_position(); !link.in_flight.empty();) {
    if (link.in_flight.at(--position) == nullptr) {
      continue;
    }
    // The worker works in order, so the oldest alone can have begun, whatever it says.
    const bool charged = link.in_flight.size() == 1 && position < begun;
    CallRef call = link.in_flight.take(position);
    if (charged) {
      count_crash(*call);
    }
    if (charged && call->kind == CallKind::kBulk) {
      recover_items(link, std::move(call), position, status);
    } else if (charged) {
      retry_or_crash(link, std::move(call), status);
    } else if (killing_ || call->stop_reason == StopReason::kCancelled) {
      finish_error(std::move(call), ErrorCode::kCancelled, "the call was cancelled before it began");
    } else if (call->stop_reason == StopReason::kDeadline) {
      std::string why = call->deadline_text();
      finish_error(std::move(call), ErrorCode::kDeadline, std::move(why));
    } else {
      --call->attempt;
      if (call->kind == CallKind::kOpen) {
        call->details().session->link_id = 0;
      }
      requeue(std::move(call));
    }
  }
  fail_sessions(link.id, link.slot);
  if (is_extra(slot)) {
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
    context.stderr_tail = link.error_tail();
    if (!context.stderr_tail.empty()) {
      message += "; it wrote: " + printable(context.stderr_tail, 500);
    }
    note_start_failure(slot, Error{ErrorCode::kUnavailable, std::move(message), std::move(context)});
  } else if (link.calls_done == 0 && !expected) {
    slot.starts.note_useless(monotonic_now_ns());
  } else {
    slot.starts.note_end();
  }
  if (is_extra(slot)) {
    free_extra_slot(link.slot);
  }
  dispatch();
}

void Scheduler::retry_or_crash(WorkerLink& link, CallRef call, const ExitStatus& status) {
  ErrorContext context = context_of(*call);
  context.signal = status.signal;
  context.exit_code = status.exit_code;
  context.stderr_tail = link.error_tail();
  // It may have gone on to the next call just before it was killed for one; that one is not to blame.
  if (link.kill_reason && (link.killed_call_id == 0 || link.killed_call_id == call->id())) {
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
  if (idempotent && (call->attempt < call->max_attempts || diverted) && !stopping_) {
    warn(link, call->route()->ref.task->full_name + " is tried again: its worker ended with " + status.to_string() +
                   " in attempt " + std::to_string(call->attempt));
    if (diverted) {
      undivert(*call);  // On the version that the trial was against, as if there had been no trial.
      call->attempt = 0;
    }
    enqueue(*call.take(), true);
    return;
  }
  std::string message = "the worker that ran the call ended with " + status.to_string();
  if (call->attempt > 1) {
    message += ", as did those of the " + count_of(call->attempt - 1, "attempt", "attempts") + " before";
  }
  finish(std::move(call), fail(ErrorCode::kCrashed, std::move(message), std::move(context)));
}

void Scheduler::fail_sessions(std::uint64_t link_id, std::uint32_t slot) {
  std::vector<Call*> lost;
  std::vector<Call*> kept;
  CallQueue& pinned = slots_[slot].pinned;
  while (Call* call = pinned.front()) {
    dequeue(*call);
    (call->session_bound && call->details().session->link_id == link_id ? lost : kept).push_back(call);
  }
  for (Call* call : kept) {
    pinned.push_back(*call);
    ++pinned_calls_;
  }
  for (Call* call : lost) {
    Error error = lost_session_error(*call);
    finish(CallRef::adopt(call), fail(std::move(error)));
  }
}

void Scheduler::fail_all(CallQueue& queue, const Error& error) {
  while (Call* call = queue.front()) {
    dequeue(*call);
    Error each = error;
    const ErrorContext context = context_of(*call);
    each.context.task = context.task;
    each.context.plugin = context.plugin;
    each.context.call_id = context.call_id;
    finish(CallRef::adopt(call), fail(std::move(each)));
  }
}

void Scheduler::fail_queued(const Error& error) {
  fail_all(queue_, error);
  for (Slot& slot : slots_) {
    fail_all(slot.pinned, error);
  }
}

void Scheduler::stop_workers() {
  stopping_ = true;
  effects_->rearm = true;
  for (Slot& slot : slots_) {
    if (slot.link == nullptr) {
      continue;
    }
    dismiss(*slot.link);
  }
}

void Scheduler::kill_workers() {
  stopping_ = true;
  killing_ = true;
  effects_->rearm = true;
  fail_queued(Error{ErrorCode::kCancelled, "the runtime was shut down before the call began", {}});
  for (Slot& slot : slots_) {
    if (slot.link != nullptr) {
      slot.link->kill();
    }
  }
}

}  // namespace tenon::internal
