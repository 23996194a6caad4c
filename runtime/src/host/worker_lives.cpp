#include "host/worker_lives.hpp"

#include <string>
#include <utility>

#include "base/text.hpp"
#include "host/autopsy.hpp"

namespace tenon::internal {

namespace {

/// The signal with which other programs, and the kernel when memory is short, kill a process: it proves nothing about a
/// plugin.
constexpr int kKillSignal = 9;
constexpr std::size_t kMaxStartOutput = 500;

}  // namespace

WorkerLives::WorkerLives(std::int64_t start_timeout_ns, const Parts& parts) noexcept
    : start_timeout_ns_(start_timeout_ns),
      slots_(parts.slots),
      roster_(parts.roster),
      backlog_(parts.backlog),
      placement_(parts.placement),
      orphans_(parts.orphans),
      replies_(parts.replies),
      closing_(parts.closing),
      effects_(parts.effects) {}

void WorkerLives::started(std::shared_ptr<WorkerLink> link) {
  WorkerLink& started = *link;
  started.start_deadline_ns = monotonic_now_ns() + start_timeout_ns_;
  slots_.put(std::move(link));
  if (closing_.stopping()) {
    started.kill();
  } else {
    roster_.dismiss_if_done(started);  // A worker that was moved aside may no longer be needed.
  }
}

void WorkerLives::start_failed(std::uint32_t slot, Error error) {
  slots_.end_start(slot);
  if (!closing_.stopping()) {
    note_start_failure(slot, std::move(error));
  }
  if (slots_[slot].is_extra()) {
    placement_.free_slot(slot);
  }
}

/// Sessions to be opened in a slot that gets no worker go to a slot that has one.
void WorkerLives::move_opens(std::uint32_t slot) {
  if (slots_[slot].is_extra()) {
    return;
  }
  const auto is_open = [](const Call& call) { return call.kind == CallKind::kOpen; };
  while (Call* open = slots_[slot].pinned.find(is_open)) {
    const std::int32_t other = slots_.for_session();
    if (slots_[static_cast<std::size_t>(other)].ready_link() == nullptr) {
      return;
    }
    backlog_.dequeue(*open);
    open->details().session->slot = other;
    open->make_details().pinned_slot = other;
    backlog_.enqueue(*open, false);
    effects_->again = true;
  }
}

void WorkerLives::note_start_failure(std::uint32_t slot, Error error) {
  effects_->changed = true;
  effects_->rearm = true;
  effects_->log.push_back({LogLevel::kError, error.message, {}, {}, 0, 0});
  error.code = ErrorCode::kUnavailable;
  const SlotTable::AfterFailure after = slots_.note_start_failure(slot, monotonic_now_ns());
  move_opens(slot);
  switch (after) {
    case SlotTable::AfterFailure::kTryAgain:
      break;
    case SlotTable::AfterFailure::kSlotGivenUp:
      backlog_.fail_pinned(slot, error);  // No other worker can run them.
      break;
    case SlotTable::AfterFailure::kAllGivenUp:
      unavailable_ = std::move(error);
      backlog_.fail_all(*unavailable_);
      break;
  }
}

void WorkerLives::bury(WorkerLink& link) {
  const WorkerSlot& slot = slots_[link.slot];
  const std::shared_ptr<WorkerLink> keep = slot.link;
  const bool was_ready = link.state != WorkerLink::State::kStarting;
  if (was_ready && !link.distrusted) {
    replies_.reap(link);  // Replies from before its death count.
  }
  const bool expected = link.dismissed || closing_.stopping() || closing_.killing();
  link.state = WorkerLink::State::kDead;
  link.reaper.end();
  roster_.relist(link);
  roster_.set_streaming(link, false);
  const ExitStatus status = link.handle->exit_status().value_or(ExitStatus{});
  static_cast<void>(slots_.take(link.slot));
  effects_->buried.push_back(keep);
  effects_->changed = true;
  effects_->rearm = true;

  if (!expected) {
    ++crashed_;
    if (was_ready) {
      warn(*effects_, link,
           "worker " + std::to_string(link.id) + " ended with " + status.to_string() +
               (slot.is_extra() ? "" : "; another one takes its place"));
    }
  }
  const Autopsy autopsy(link.transport->end(), link.in_flight.front_position(), link.distrusted,
                        link.nested_once() != nullptr);
  const bool ran =
      !link.in_flight.empty() && autopsy.of(link.in_flight.front_position()) != Autopsy::Verdict::kNotBegun;
  if (!expected && was_ready && !ran && !link.kill_reason && !link.ending_stall && status.signal != kKillSignal &&
      link.generations().size() == 1) {
    // A thread of the plugin killed it. With several plugins, it is unknown whose thread it was.
    link.generations().front()->counts.add_idle_death();
    effects_->trouble = true;
  }
  // From the back, so that calls that go back into the queue keep their order.
  for (std::uint64_t position = link.in_flight.end_position(); !link.in_flight.empty();) {
    if (link.in_flight.at(--position) != nullptr) {
      orphans_.settle(link, link.in_flight.take(position), position, autopsy);
    }
  }
  placement_.fail_sessions(link.id, link.slot);
  if (slot.is_extra()) {
    effects_->trouble = true;
  }
  // If the shutdown of the runtime killed the worker during its start, this is not a failed start.
  if (!was_ready && !expected) {
    note_start_failure(link.slot, start_error(link));
  } else {
    slots_.note_exit(link.slot, link.calls_done == 0 && !expected, monotonic_now_ns());
  }
  if (slot.is_extra()) {
    placement_.free_slot(link.slot);
  }
}

Error WorkerLives::start_error(WorkerLink& link) {
  const ExitStatus status = link.handle->exit_status().value_or(ExitStatus{});
  std::string message =
      "a worker could not be started: " +
      (link.refusal.empty() ? "it ended with " + status.to_string() + " before it was ready" : link.refusal);
  ErrorContext context;
  context.signal = status.signal;
  context.exit_code = status.exit_code;
  link.describe_output(context);
  if (!context.stderr_tail.empty()) {
    message += "; it wrote: " + printable(context.stderr_tail, kMaxStartOutput);
  }
  return Error{ErrorCode::kUnavailable, std::move(message), std::move(context)};
}

}  // namespace tenon::internal
