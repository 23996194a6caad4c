/// The scheduler's part about workers that stand still: they have something to begin, run nothing and begin nothing.
#include <algorithm>
#include <utility>

#include "base/text.hpp"
#include "host/scheduler.hpp"

namespace tenon::internal {

void Scheduler::start_looking() {
  next_look_ns_ = monotonic_now_ns() + StallWatch::kLookNs;
  effects_->rearm = true;
}

WorkerSight Scheduler::sight_of(const WorkerLink& link) const noexcept {
  const HostEnd& end = link.transport->end();
  // Before the others: an honest worker begins before it answers, and what was published before it begins.
  const std::uint64_t answered = end.answered();
  const auto begun = end.begun();
  WorkerSight sight{.waits = false, .traces = {begun.value_or(0), answered, link.outbox_size()}};
  if (!begun) {
    return sight;
  }
  const bool runs = answered < *begun;
  if (!runs) {
    sight.waits = *begun < end.published() || !link.outbox_empty();
    return sight;
  }
  if (!link.in_flight.empty() && link.in_flight.front().kind == CallKind::kBulk) {
    // Between two items of a bulk call it runs nothing either.
    const BulkRemains remains = end.bulk_remains(link.in_flight.front_position());
    sight.waits = remains.intact && remains.progress && remains.progress->done == remains.begun;
    sight.traces[1] = remains.begun;
  }
  sight.runs = !sight.waits;
  return sight;
}

void Scheduler::look_for_stalls(MonotonicNs now_ns) {
  bool busy = false;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    const std::shared_ptr<WorkerLink> keep = slots_[i].link;
    if (keep == nullptr || keep->reaper.exited() || keep->distrusted ||
        (keep->state != WorkerLink::State::kReady && keep->in_flight.empty())) {
      continue;
    }
    WorkerLink& link = *keep;
    if (link.state == WorkerLink::State::kReady && !link.transport->end().begun()) {
      break_link(link, Error{ErrorCode::kCorrupt, "something in it wrote over the count of what it has begun", {}});
      continue;
    }
    const WorkerSight sight = sight_of(link);
    link.stall.look(now_ns, sight);
    busy = busy || sight.waits || link.suspected || !link.in_flight.empty();
    if (link.suspected && !link.stall.stands()) {
      trust_again(link);
    } else if (link.stall.still_ns() >= StallWatch::kSuspectNs) {
      suspect(link);
    }
    if (link.suspected) {
      relieve_stalled(link, false);
    }
    if (options_.stall_timeout_ns > 0 && link.stall.still_ns() >= options_.stall_timeout_ns && !link.ending_stall) {
      stalled_.push_back({link.id, link.handle->pid(), false});
    }
    link.running.look(now_ns, {.waits = sight.runs, .runs = sight.runs, .traces = sight.traces});
    if (!link.running.stands()) {
      link.found_stopped = false;
    } else if (options_.stall_timeout_ns > 0 && link.running.still_ns() >= options_.stall_timeout_ns) {
      link.running.forgive();  // Checked again after as long.
      stalled_.push_back({link.id, link.handle->pid(), true});
    }
  }
  // Calls that were accepted since the last look may be followed by others: a ring of the reactor's bell for each of a
  // few calls would cost more than a look.
  busy = busy || std::exchange(submitted_at_look_, submitted_) != submitted_;
  next_look_ns_ = busy ? now_ns + StallWatch::kLookNs : kNever;
}

void Scheduler::suspect(WorkerLink& link) {
  if (link.suspected || link.state != WorkerLink::State::kReady || slots_[link.slot].is_extra()) {
    return;
  }
  const bool others = std::any_of(slots_.begin(), slots_.end(), [&](const WorkerSlot& slot) {
    return !slot.is_extra() && slot.link != nullptr && slot.link.get() != &link && !slot.link->suspected &&
           !slot.link->reaper.exited() && slot.link->state == WorkerLink::State::kReady;
  });
  if (!others) {
    return;  // What it has not begun has nowhere else to go.
  }
  link.suspected = true;
  if (next_look_ns_ == kNever) {
    start_looking();
  }
  relist(link);
}

void Scheduler::suspect_at_once(WorkerLink& link) {
  const WorkerSight sight = sight_of(link);
  if (sight.waits) {
    link.stall.look(monotonic_now_ns(), sight);
    suspect(link);
  }
}

void Scheduler::trust_again(WorkerLink& link) {
  link.suspected = false;
  if (!link.reaper.direct()) {
    reap(link);  // What it gave back left no room in its ring.
  }
  relist(link);
  ensure_reaper(link);
}

void Scheduler::relieve_stalled(WorkerLink& link, bool pinned_too) {
  bool moved = false;
  for (std::uint64_t position = link.in_flight.end_position();
       !link.in_flight.empty() && position-- > link.in_flight.front_position();) {
    Call* call = link.in_flight.at(position);
    if (call == nullptr || (call->details().pinned_slot >= 0 && !pinned_too)) {
      continue;
    }
    // Asked anew, also where it was asked before: it has not begun until now.
    call->revoke_tried = true;
    if (link.transport->end().revoke(position) != Revoked::kTaken) {
      continue;
    }
    moved = true;
    if (call->kind == CallKind::kOpen) {
      call->details().session->link_id = 0;
    }
    complete_returned(link.in_flight.take(position));
  }
  if (!moved) {
    return;
  }
  begin_next(link);
  relist(link);
  if (link.reaper.direct()) {
    // Lets the thread that waits directly see that its call has been taken from under it.
    link.transport->end().wake_host();
  }
}

std::vector<Scheduler::Stalled> Scheduler::take_stalled() {
  return std::exchange(stalled_, {});
}

void Scheduler::end_stalled(std::uint64_t link_id, bool debugged) {
  WorkerLink* link = slots_.find(link_id);
  if (link == nullptr || link->reaper.exited() || link->distrusted || link->ending_stall) {
    return;
  }
  link->stall.look(monotonic_now_ns(), sight_of(*link));
  if (!link->stall.stands()) {
    return;  // It has moved meanwhile.
  }
  if (debugged) {
    link->stall.forgive();
    return;
  }
  link->ending_stall = true;
  warn(*link,
       "worker " + std::to_string(link->id) + " has begun nothing for " +
           std::to_string(link->stall.still_ns() / 1'000'000) +
           " ms although it had work, and is ended; something stopped it (a signal, a freezer, a plugin's thread)");
  if (link->state == WorkerLink::State::kReady) {
    link->state = WorkerLink::State::kStopping;  // Takes no further calls.
  }
  relieve_stalled(*link, true);
  relist(*link);
  link->kill();
}

void Scheduler::end_stopped(std::uint64_t link_id, const ProcessState& state) {
  WorkerLink* link = slots_.find(link_id);
  if (link == nullptr || link->reaper.exited() || link->kill_reason || link->ending_stall) {
    return;
  }
  if (state.main_thread_ended) {
    end_for(*link,
            "the main thread of the worker that ran the call ended while the process lived on; a task must "
            "return to the worker");
    return;
  }
  // Once may be the moment between a stop and its end.
  if (state.stopped && std::exchange(link->found_stopped, true)) {
    end_for(*link,
            "the worker that ran the call was stopped (by a signal such as SIGSTOP, or a freezer) and was ended "
            "after " +
                std::to_string(2 * options_.stall_timeout_ns / 1'000'000) + " ms; see stall_timeout");
  } else if (!state.stopped) {
    link->found_stopped = false;
  }
}

void Scheduler::end_disconnected(WorkerLink& link) {
  if (link.kill_reason || link.ending_stall || link.dismissed || link.state != WorkerLink::State::kReady) {
    link.kill();
    return;
  }
  end_for(link,
          "the worker that ran the call lost its channel to the host and was ended; a task replaced the process by "
          "another program (exec), or shut down a descriptor that it did not open");
}

void Scheduler::end_for(WorkerLink& link, std::string reason) {
  warn(link, "worker " + std::to_string(link.id) + " is ended: " + reason);
  link.kill_reason = Error{ErrorCode::kCrashed, std::move(reason), {}};
  if (link.state == WorkerLink::State::kReady) {
    link.state = WorkerLink::State::kStopping;  // Takes no further calls.
  }
  relist(link);
  link.kill();
}

}  // namespace tenon::internal
