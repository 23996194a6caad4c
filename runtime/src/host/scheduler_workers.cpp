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

// -- what ends all of them ---------------------------------------------------------------------

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
