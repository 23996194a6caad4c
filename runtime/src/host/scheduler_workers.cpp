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

void Scheduler::started(std::shared_ptr<WorkerLink> link) {
  WorkerLink& started = *link;
  started.start_deadline_ns = monotonic_now_ns() + options_.start_timeout_ns;
  slots_.put(std::move(link));
  if (stopping_) {
    started.kill();
  } else {
    dismiss_if_done(started);  // One that was moved aside may not be needed any more.
  }
}

void Scheduler::start_failed(std::uint32_t slot, Error error) {
  slots_.end_start(slot);
  if (!stopping_) {
    note_start_failure(slot, std::move(error));
  }
  if (slots_[slot].is_extra()) {
    free_extra_slot(slot);
  }
}

void Scheduler::note_start_failure(std::uint32_t slot, Error error) {
  effects_->changed = true;
  effects_->rearm = true;
  effects_->log.push_back({LogLevel::kError, error.message, {}, {}, 0, 0});
  error.code = ErrorCode::kUnavailable;
  switch (slots_.note_start_failure(slot, monotonic_now_ns())) {
    case SlotTable::AfterFailure::kTryAgain:
      break;
    case SlotTable::AfterFailure::kSlotGivenUp:
      fail_all(slots_[slot].pinned, error);  // They have no other worker to go to.
      break;
    case SlotTable::AfterFailure::kAllGivenUp:
      unavailable_ = std::move(error);
      fail_queued(*unavailable_);
      break;
  }
}

void Scheduler::start_freely(MonotonicNs from_ns) {
  effects_->rearm = slots_.start_freely(from_ns) || effects_->rearm;
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
    slots_.note_ready(link.slot);
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
  } else if (const auto* need = envelope->message_as_NeedFile()) {
    const GenerationRef* generation = link.generation_of(text_of(need->plugin()));
    ServedFileRef file = generation == nullptr ? nullptr : (*generation)->file_of(need->sha256()->string_view());
    if (file == nullptr || !link.note_file_request()) {
      break_link(link, Error{ErrorCode::kCorrupt, "the worker asks for a plugin file that it has no use for", {}});
      return;
    }
    effects_->files.push_back({link.id, *generation, std::move(file)});
  } else {
    break_link(link, Error{ErrorCode::kCorrupt, "the worker sent a message of an unknown kind", {}});
  }
}

void Scheduler::retire(const Retired::Numbers& numbers) {
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
      relist(*slot.link);
    }
  }
  dispatch();
}

void Scheduler::warn(const WorkerLink& link, std::string message) {
  effects_->log.push_back({LogLevel::kWarning, std::move(message), {}, {}, link.id, 0});
}

// -- what ends all of them ---------------------------------------------------------------------

void Scheduler::fail_all(const CallQueue& queue, const Error& error) {
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
  for (const WorkerSlot& slot : slots_) {
    fail_all(slot.pinned, error);
  }
}

void Scheduler::stop_workers() {
  stopping_ = true;
  slots_.stop_starts();
  effects_->rearm = true;
  for (const WorkerSlot& slot : slots_) {
    if (slot.link == nullptr) {
      continue;
    }
    dismiss(*slot.link);
  }
}

void Scheduler::kill_workers() {
  stopping_ = true;
  slots_.stop_starts();
  killing_ = true;
  effects_->rearm = true;
  fail_queued(Error{ErrorCode::kCancelled, "the runtime was shut down before the call began", {}});
  for (const WorkerSlot& slot : slots_) {
    if (slot.link != nullptr) {
      slot.link->kill();
    }
  }
}

}  // namespace tenon::internal
