/// The scheduler's other half: workers that come and go, and the answers they give.
#include <algorithm>
#include <utility>

#include <tenon/control_generated.h>
#include <tenon/plugin.h>

#include "base/text.hpp"
#include "host/scheduler.hpp"

namespace tenon::internal {

namespace {

/// Results up to this size are copied, so that a worker's memory is not held by what is small.
constexpr std::uint64_t kCopiedResultBytes = 64 * 1024;
constexpr std::size_t kMaxErrorBytes = 8192;
constexpr std::size_t kMaxNameBytes = 256;
/// Messages that wait for a worker when it asks for something; more than honest work brings about.
constexpr std::size_t kMaxUnreadMessages = 16'384;
constexpr std::int64_t kFirstBackoffNs = 50'000'000;
constexpr std::int64_t kLongestBackoffNs = 5'000'000'000;
/// Starts of one slot that fail in a row before calls fail with the reason.
constexpr std::uint32_t kStartsBeforeUnavailable = 3;

std::string text_of(const flatbuffers::String* text) {
  return text == nullptr ? std::string() : text->str();
}

}  // namespace

// -- starting ---------------------------------------------------------------------------------

std::optional<std::uint32_t> Scheduler::next_start(MonotonicNs now_ns) {
  if (stopping_) {
    return std::nullopt;
  }
  for (std::uint32_t i = 0; i < slots_.size(); ++i) {
    Slot& slot = slots_[i];
    if (slot.link == nullptr && !slot.starting && slot.next_start_ns <= now_ns) {
      slot.starting = true;
      return i;
    }
  }
  return std::nullopt;
}

void Scheduler::started(std::shared_ptr<WorkerLink> link) {
  Slot& slot = slots_[link->slot];
  slot.starting = false;
  link->start_deadline_ns = monotonic_now_ns() + options_.start_timeout_ns;
  slot.link = std::move(link);
  if (stopping_) {
    slot.link->kill();
  }
}

void Scheduler::start_failed(std::uint32_t slot, Error error) {
  slots_[slot].starting = false;
  note_start_failure(slots_[slot], std::move(error));
}

void Scheduler::note_start_failure(Slot& slot, Error error) {
  ++slot.failures;
  const std::int64_t backoff_ns =
      std::min(kLongestBackoffNs, kFirstBackoffNs << std::min<std::uint32_t>(slot.failures - 1, 10));
  slot.next_start_ns = monotonic_now_ns() + backoff_ns;
  effects_.changed = true;
  effects_.rearm = true;
  effects_.log.push_back({LogLevel::kError, error.message, {}, {}, 0, 0});
  const bool hopeless = std::all_of(slots_.begin(), slots_.end(), [](const Slot& each) {
    return each.failures >= kStartsBeforeUnavailable && each.link == nullptr;
  });
  error.code = ErrorCode::kUnavailable;
  if (!hopeless && slot.failures >= kStartsBeforeUnavailable) {
    fail_all(slot.pinned, error);  // Calls of this slot alone have no other worker to go to.
  }
  if (hopeless) {
    unavailable_ = std::move(error);
    fail_queued(*unavailable_);
  }
}

std::uint32_t Scheduler::ready_count() const noexcept {
  return static_cast<std::uint32_t>(std::count_if(slots_.begin(), slots_.end(), [](const Slot& slot) {
    return slot.link != nullptr && slot.link->state == WorkerLink::State::kReady;
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

void Scheduler::on_message(WorkerLink& link, const ControlMessage& message, const Resolve& resolve) {
  flatbuffers::Verifier verifier(message.bytes.data(), message.bytes.size());
  if (!verifier.VerifyBuffer<control::WorkerEnvelope>(nullptr)) {
    break_link(link, Error{ErrorCode::kCorrupt, "the worker sent a message that does not verify", {}});
    return;
  }
  const auto* envelope = flatbuffers::GetRoot<control::WorkerEnvelope>(message.bytes.data());
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
    if (auto sealed = check_seals(link.transport->results()->descriptor(),
                                  {.shrink = true, .grow = true, .future_write = true});
        !sealed) {
      link.refusal = "it did not seal its result memory against other writers; use the tenon-worker that was built " +
                     std::string("with this library");
      link.kill();
      return;
    }
    link.state = WorkerLink::State::kReady;
    link.start_deadline_ns = kNever;
    unavailable_.reset();
    effects_.changed = true;
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
    const int level = std::clamp(log->level(), TENON_LOG_DEBUG + 0, TENON_LOG_ERROR + 0);
    effects_.log.push_back({static_cast<LogLevel>(level), printable(log->message()->str(), kMaxErrorBytes),
                            printable(text_of(log->plugin()), kMaxNameBytes),
                            printable(text_of(log->task()), kMaxNameBytes), link.id, log->call_id()});
  } else if (const auto* wanted = envelope->message_as_Resolve()) {
    if (link.outbox_size() > kMaxUnreadMessages) {
      // An honest worker waits for one answer before it asks again.
      break_link(link, Error{ErrorCode::kCorrupt, "the worker asks without reading the answers", {}});
      return;
    }
    auto route = resolve(wanted->task()->str());
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
    if (slot.link != nullptr) {
      slot.link->flush_outbox();
    }
  }
  dispatch();
}

void Scheduler::warn(const WorkerLink& link, std::string message) {
  effects_.log.push_back({LogLevel::kWarning, std::move(message), {}, {}, link.id, 0});
}

// -- answers ----------------------------------------------------------------------------------

void Scheduler::ensure_reaper(WorkerLink& link) {
  if (link.direct || link.bell_armed || link.in_flight.empty()) {
    return;
  }
  link.bell_armed = true;
  if (!link.transport->end().arm_event_bell()) {
    // There is an answer already; the reactor takes it as if the bell had rung.
    link.bell.ring();
  }
}

void Scheduler::on_bell(WorkerLink& link) {
  link.bell.drain();
  if (link.direct) {
    return;  // A ring from before the direct thread took the role.
  }
  link.bell_armed = false;
  reap(link);
  steal_for(link);
  dispatch();
  ensure_reaper(link);
}

bool Scheduler::reap_direct(WorkerLink& link, const Call& call) {
  reap(link);
  if (link.exited) {
    link.direct = false;
    bury(link);
    return true;
  }
  // Not done, and not taken back for another worker either: it is still this worker's.
  const bool waiting = std::any_of(link.in_flight.begin(), link.in_flight.end(),
                                   [&](const WorkerLink::InFlight& entry) { return entry.call.get() == &call; });
  if (waiting) {
    return false;
  }
  link.direct = false;
  steal_for(link);
  if (!queue_.empty() || pinned_calls_ > 0) {
    dispatch();
  }
  ensure_reaper(link);
  return true;
}

void Scheduler::reap(WorkerLink& link) {
  // What found the release ring full would otherwise wait for a further release, which may never come.
  link.transport->flush_releases();
  Completion completion;
  for (;;) {
    auto popped = link.transport->end().pop(completion);
    if (!popped) {
      break_link(link, std::move(popped.error()));
      return;
    }
    if (!*popped) {
      return;
    }
    if (link.in_flight.empty() || link.in_flight.front().position != completion.position) {
      break_link(link, Error{ErrorCode::kCorrupt, "the worker answered a call that it does not have", {}});
      return;
    }
    complete(link, completion);
  }
}

void Scheduler::complete(WorkerLink& link, const Completion& completion) {
  CallRef call = std::move(link.in_flight.front().call);
  link.in_flight.pop_front();
  begin_next(link);
  if (completion.descriptor.kind == CompletionKind::kReturned) {
    --call->attempt;
    if (call->stop_reason == StopReason::kNone) {
      enqueue(*call.take(), true);
    } else if (call->stop_reason == StopReason::kCancelled) {
      finish_error(std::move(call), ErrorCode::kCancelled, "the call was cancelled before it began");
    } else {
      std::string why = call->deadline_text();
      finish_error(std::move(call), ErrorCode::kDeadline, std::move(why));
    }
    return;
  }
  ++link.calls_done;
  slots_[link.slot].failures = 0;
  call->completion_flags = completion.descriptor.flags;
  if (call->kind == CallKind::kOpen && completion.descriptor.status == TENON_OK) {
    ++link.open_sessions;
  } else if (call->kind == CallKind::kClose && link.open_sessions > 0) {
    --link.open_sessions;
  }
  auto reply = make_reply(link, *call, completion);
  if (!reply && reply.error().code == ErrorCode::kCorrupt && completion.descriptor.status == TENON_OK) {
    // The answer itself is broken: so is the worker.
    break_link(link, reply.error());
  }
  finish(std::move(call), std::move(reply));
}

Result<Reply> Scheduler::make_reply(WorkerLink& link, const Call& call, const Completion& completion) {
  const CompletionDescriptor& descriptor = completion.descriptor;
  auto bytes = link.segments.resolve(descriptor.payload, completion.inline_payload(), "result");
  if (!bytes) {
    Error error = std::move(bytes.error());
    error.code = ErrorCode::kCorrupt;
    error.context = context_of(call);
    return fail(std::move(error));
  }
  const bool in_arena = !descriptor.payload.absent() && !descriptor.payload.is_inline();
  if (descriptor.status != TENON_OK) {
    std::string message =
        printable(std::string_view(reinterpret_cast<const char*>(bytes->data()), bytes->size()), kMaxErrorBytes);
    if (in_arena) {
      link.transport->release(descriptor.payload);
    }
    auto code = static_cast<ErrorCode>(descriptor.status);
    if (call.stop_reason == StopReason::kDeadline && code == ErrorCode::kCancelled) {
      // The worker's poll knows cancellation alone; the reason was a deadline.
      code = ErrorCode::kDeadline;
      message = call.deadline_text();
    } else if (code == ErrorCode::kDeadline && monotonic_now_ns() >= call.deadline_ns) {
      // The worker's clock was the first to see it.
      message = call.deadline_text(TimeLimit::kTimeout);
    } else if (code == ErrorCode::kDeadline && monotonic_now_ns() >= call.run_deadline_ns) {
      message = call.deadline_text(TimeLimit::kRunTimeout);
    }
    return fail(code, std::move(message), context_of(call));
  }
  if ((descriptor.flags & kCompletionArgument) != 0) {
    if (call.argument.storage != nullptr) {
      return Reply(call.argument.storage, call.argument.bytes);
    }
    StoredBytes copy = copy_to_host(call.payload());
    return Reply(std::move(copy.storage), copy.bytes);
  }
  if (descriptor.payload.absent()) {
    return Reply();
  }
  StoredBytes stored;
  if (!in_arena || bytes->size() <= kCopiedResultBytes || options_.copy_results) {
    stored = copy_to_host(*bytes);
    if (in_arena) {
      link.transport->release(descriptor.payload);
    }
  } else {
    stored = link.transport->lease(descriptor.payload, *bytes);
  }
  return Reply(std::move(stored.storage), stored.bytes);
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
  }
  link.kill();
}

void Scheduler::on_exit(WorkerLink& link) {
  if (link.direct) {
    // The thread that waits directly has the reaper's role; it buries the worker.
    link.exited = true;
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
  link.read_error_stream(effects_.log);
  const bool expected = link.stop_deadline_ns != kNever || stopping_ || killing_;
  link.state = WorkerLink::State::kDead;
  const ExitStatus status = link.handle->exit_status().value_or(ExitStatus{});
  slot.link = nullptr;
  effects_.buried.push_back(keep);
  effects_.changed = true;
  effects_.rearm = true;

  if (!expected) {
    ++crashed_workers_;
    if (was_ready) {
      warn(link,
           "worker " + std::to_string(link.id) + " ended with " + status.to_string() + "; another one takes its place");
    }
  }
  const std::uint64_t begun = link.transport->end().begun();
  auto in_flight = std::move(link.in_flight);
  link.in_flight.clear();
  // From the back, so that those that go back into the queue keep their order.
  while (!in_flight.empty()) {
    WorkerLink::InFlight entry = std::move(in_flight.back());
    in_flight.pop_back();
    CallRef call = std::move(entry.call);
    // The worker works in order, so the oldest alone can have begun, whatever it says.
    const bool charged = in_flight.empty() && entry.position < begun;
    if (charged) {
      retry_or_crash(link, std::move(call), status);
    } else if (killing_ || call->stop_reason == StopReason::kCancelled) {
      finish_error(std::move(call), ErrorCode::kCancelled, "the call was cancelled before it began");
    } else if (call->stop_reason == StopReason::kDeadline) {
      std::string why = call->deadline_text();
      finish_error(std::move(call), ErrorCode::kDeadline, std::move(why));
    } else {
      --call->attempt;
      if (call->kind == CallKind::kOpen) {
        call->session->link_id = 0;
      }
      enqueue(*call.take(), true);
    }
  }
  fail_sessions(link.id, link.slot);
  if (!was_ready) {
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
    // Dies without ever answering: go slower each time, so that a worker that cannot live does not eat the machine.
    ++slot.failures;
    slot.next_start_ns = monotonic_now_ns() +
                         (slot.failures < kStartsBeforeUnavailable ? 0 : std::min(kLongestBackoffNs, kFirstBackoffNs));
  } else {
    slot.next_start_ns = 0;
  }
  dispatch();
}

void Scheduler::retry_or_crash(WorkerLink& link, CallRef call, const ExitStatus& status) {
  ErrorContext context = context_of(*call);
  context.signal = status.signal;
  context.exit_code = status.exit_code;
  context.stderr_tail = link.error_tail();
  // It may have gone on to the next call just before it was killed for one; that one is not to blame.
  if (link.kill_reason && (link.killed_call_id == 0 || link.killed_call_id == call->id)) {
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
  if (call->stop_reason == StopReason::kDeadline) {
    std::string why = call->deadline_text() + " and its worker ended";
    finish(std::move(call), fail(ErrorCode::kDeadline, std::move(why), std::move(context)));
    return;
  }
  const bool idempotent = call->kind == CallKind::kCall && call->route->ref.task->idempotent;
  if (idempotent && call->attempt < call->max_attempts && !stopping_) {
    warn(link, call->route->ref.task->full_name + " is tried again: its worker ended with " + status.to_string() +
                   " in attempt " + std::to_string(call->attempt));
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
    (call->session_bound && call->session->link_id == link_id ? lost : kept).push_back(call);
  }
  for (Call* call : kept) {
    pinned.push_back(*call);
    ++pinned_calls_;
  }
  for (Call* call : lost) {
    finish_error(CallRef::adopt(call), ErrorCode::kCrashed,
                 "the worker of this session is gone; open a new session from the last checkpoint");
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
  effects_.rearm = true;
  for (Slot& slot : slots_) {
    if (slot.link == nullptr) {
      continue;
    }
    WorkerLink& link = *slot.link;
    if (link.state == WorkerLink::State::kReady) {
      link.state = WorkerLink::State::kStopping;
      link.stop_deadline_ns = monotonic_now_ns() + options_.cancel_grace_ns;
      link.send_stop();
    } else if (link.state == WorkerLink::State::kStarting) {
      link.kill();
    }
  }
}

void Scheduler::kill_workers() {
  stopping_ = true;
  killing_ = true;
  effects_.rearm = true;
  fail_queued(Error{ErrorCode::kCancelled, "the runtime was shut down before the call began", {}});
  for (Slot& slot : slots_) {
    if (slot.link != nullptr) {
      slot.link->kill();
    }
  }
}

}  // namespace tenon::internal
