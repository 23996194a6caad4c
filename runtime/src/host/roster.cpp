#include "host/roster.hpp"

#include <algorithm>
#include <utility>

#include "base/hot.hpp"

namespace tenon::internal {

namespace {

/// Run time of the calls given to a worker ahead of the running one; they can be taken back.
constexpr std::int64_t kPrefetchNs = 400'000;
constexpr std::int64_t kLeastPrefetch = 4;
constexpr std::int64_t kFirstPrefetch = 32;
constexpr std::int64_t kMostPrefetch = 256;
/// While calls are shorter than this, no more workers are woken than there are cores: a wake-up takes as long as
/// several such calls, and the worker would then compete with the others.
constexpr std::int64_t kShortRunNs = 20'000;

}  // namespace

TENON_HOT bool Roster::can_take(const WorkerLink& link) const noexcept {
  const std::int64_t prefetch = link.mean_run_ns == 0
                                    ? kFirstPrefetch
                                    : std::clamp(kPrefetchNs / link.mean_run_ns, kLeastPrefetch, kMostPrefetch);
  // A worker that does not read its control channel gets nothing new: what a call refers to might never arrive.
  return link.state == WorkerLink::State::kReady && !link.reaper.exited() && !link.held && !link.suspected &&
         link.in_flight.size() < static_cast<std::size_t>(prefetch) && link.transport->end().free_slots() > 0 &&
         link.outbox_empty() && (!wear_.is_worn(link) || slots_[link.slot].is_extra());
}

TENON_HOT void Roster::relist(WorkerLink& link) {
  const SlotRole role = slots_[link.slot].role;
  const bool stands_empty = link.suspected && link.in_flight.empty();
  if (role == SlotRole::kPrimary && link.state == WorkerLink::State::kReady && !link.reaper.exited() && !stands_empty) {
    board_.place(link, link.in_flight.size(), can_take(link), link.streaming && !link.held);
  } else {
    board_.remove(link);
    dismiss_if_done(link);
  }
}

WorkerLink* Roster::choose() noexcept {
  WorkerLink* least = board_.least();
  // Calls of unknown length count as short: if they are long, the other workers are woken a tick later.
  if (least == nullptr || median_run_ns_ > kShortRunNs ||
      board_.flowing_count() + board_.held_count() < options_.cores) {
    return least;
  }
  // A stream that reaches a long call does not flow after its next tick, and the calls behind that call are taken back.
  // Then as many workers are woken as are blocked, so if all calls are long, all workers soon have calls.
  if (least->in_flight.empty() && board_.flowing_count() < std::max(options_.cores, board_.held_count())) {
    set_streaming(*least, true);
    return least;
  }
  WorkerLink* flowing = board_.least_flowing();
  return flowing != nullptr || least->in_flight.empty() ? flowing : least;
}

TENON_HOT void Roster::note_run(WorkerLink& link, std::int64_t run_ns) noexcept {
  link.mean_run_ns = link.mean_run_ns == 0 ? run_ns : std::max<std::int64_t>((link.mean_run_ns * 7 + run_ns) / 8, 1);
  const std::int64_t step_ns = median_run_ns_ / 8 + 1;
  median_run_ns_ = median_run_ns_ == 0
                       ? run_ns
                       : std::max<std::int64_t>(median_run_ns_ + (run_ns > median_run_ns_ ? step_ns : -step_ns), 1);
}

void Roster::set_streaming(WorkerLink& link, bool streaming) noexcept {
  if (link.streaming == streaming) {
    return;
  }
  link.streaming = streaming;
  link.held = false;
  if (!slots_[link.slot].is_extra()) {
    relist(link);
  }
  if (!streaming) {
    --streaming_links_;
    return;
  }
  link.done_at_tick = link.calls_done;
  ++streaming_links_;
  if (next_tick_ns_ == kNever) {
    next_tick_ns_ = monotonic_now_ns() + kTickNs;
    effects_->rearm = true;
  }
}

void Roster::end_tick(MonotonicNs now_ns) noexcept {
  if (streaming_links_ > 0) {
    next_tick_ns_ = now_ns + kTickNs;
  }
}

void Roster::dismiss(WorkerLink& link) {
  if (link.dismissed) {
    return;
  }
  link.dismissed = true;
  if (link.state == WorkerLink::State::kStarting) {
    link.kill();
    return;
  }
  if (link.state != WorkerLink::State::kReady) {
    return;
  }
  link.state = WorkerLink::State::kStopping;
  board_.remove(link);
  link.stop_deadline_ns = monotonic_now_ns() + options_.cancel_grace_ns;
  effects_->rearm = true;
  link.send_stop();
}

void Roster::dismiss_if_done(WorkerLink& link) {
  const WorkerSlot& slot = slots_[link.slot];
  if (slot.role == SlotRole::kAside && link.in_flight.empty() && link.sessions.empty() && slot.pinned.empty()) {
    dismiss(link);
  }
}

void Roster::stop_dispatch(WorkerLink& link) {
  if (link.state == WorkerLink::State::kReady) {
    link.state = WorkerLink::State::kStopping;
  }
  relist(link);
}

void Roster::break_link(WorkerLink& link, Error reason) {
  if (link.state == WorkerLink::State::kDead || link.kill_reason) {
    return;
  }
  warn(*effects_, link, "worker " + std::to_string(link.id) + " is broken and is ended: " + reason.message);
  reason.code = ErrorCode::kCrashed;
  reason.message = "the worker broke the protocol and was ended: " + reason.message;
  link.kill_reason = std::move(reason);
  link.distrusted = true;
  if (link.state == WorkerLink::State::kReady) {
    stop_dispatch(link);
  }
  link.kill();
  effects_->rearm = true;  // Sets the timer that stops waiting for its exit.
}

void Roster::kill_for(WorkerLink& link, std::string reason) {
  warn(*effects_, link, "worker " + std::to_string(link.id) + " is ended: " + reason);
  link.kill_reason = Error{ErrorCode::kCrashed, std::move(reason), {}};
  stop_dispatch(link);
  link.kill();
  effects_->rearm = true;  // Sets the timer that stops waiting for its exit.
}

void Roster::kill_disconnected(WorkerLink& link) {
  if (link.kill_reason || link.ending_stall || link.dismissed || link.state != WorkerLink::State::kReady) {
    link.kill();
    return;
  }
  kill_for(link,
           "the worker that ran the call lost its channel to the host and was ended; a task replaced the process by "
           "another program (exec), or shut down a descriptor that it did not open");
}

}  // namespace tenon::internal
