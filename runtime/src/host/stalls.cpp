#include "host/stalls.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace tenon::internal {

namespace {

/// The result of one observation of a worker.
WorkerSight sight_of(const WorkerLink& link) noexcept {
  const HostEnd& end = link.transport->end();
  // Read before the other words: an honest worker begins a call before it replies, and counts only published calls as
  // begun.
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
    // Between two items of a bulk call, the worker runs nothing either.
    const BulkRemains remains = end.bulk_remains(link.in_flight.front_position());
    sight.waits = remains.intact && remains.progress && remains.progress->done == remains.begun;
    sight.traces[1] = remains.begun;
  }
  sight.runs = !sight.waits;
  return sight;
}

}  // namespace

void Stalls::start_looking() {
  next_look_ns_ = monotonic_now_ns() + StallWatch::kLookNs;
  effects_->rearm = true;
}

void Stalls::look(MonotonicNs now_ns) {
  bool busy = false;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    const std::shared_ptr<WorkerLink> keep = slots_[i].link;
    if (keep == nullptr || keep->reaper.exited() || keep->distrusted ||
        (keep->state != WorkerLink::State::kReady && keep->in_flight.empty())) {
      continue;
    }
    WorkerLink& link = *keep;
    if (link.state == WorkerLink::State::kReady && !link.transport->end().begun()) {
      roster_.break_link(link,
                         Error{ErrorCode::kCorrupt, "something in it wrote over the count of what it has begun", {}});
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
      recall_.relieve_stalled(link, false);
    }
    if (stall_timeout_ns_ > 0 && link.stall.still_ns() >= stall_timeout_ns_ && !link.ending_stall) {
      stalled_.push_back({link.id, link.handle->pid(), false});
    }
    link.running.look(now_ns, {.waits = sight.runs, .runs = sight.runs, .traces = sight.traces});
    if (!link.running.stands()) {
      link.found_stopped = false;
    } else if (stall_timeout_ns_ > 0 && link.running.still_ns() >= stall_timeout_ns_) {
      link.running.forgive();  // Checked again after the same time.
      stalled_.push_back({link.id, link.handle->pid(), true});
    }
  }
  // Calls accepted since the last check may be followed by others: ringing the reactor's bell for every few calls would
  // cost more than a check.
  busy = busy || std::exchange(submitted_at_look_, ledger_.submitted()) != ledger_.submitted();
  next_look_ns_ = busy ? now_ns + StallWatch::kLookNs : kNever;
}

void Stalls::suspect(WorkerLink& link) {
  if (link.suspected || link.state != WorkerLink::State::kReady || slots_[link.slot].is_extra()) {
    return;
  }
  const bool others = std::any_of(slots_.begin(), slots_.end(), [&](const WorkerSlot& slot) {
    return !slot.is_extra() && slot.link != nullptr && slot.link.get() != &link && !slot.link->suspected &&
           !slot.link->reaper.exited() && slot.link->state == WorkerLink::State::kReady;
  });
  if (!others) {
    return;  // No other worker can take the calls that it has not begun.
  }
  link.suspected = true;
  if (next_look_ns_ == kNever) {
    start_looking();
  }
  roster_.relist(link);
}

void Stalls::suspect_at_once(WorkerLink& link) {
  const WorkerSight sight = sight_of(link);
  if (sight.waits) {
    link.stall.look(monotonic_now_ns(), sight);
    suspect(link);
  }
}

void Stalls::trust_again(WorkerLink& link) {
  link.suspected = false;
  if (!link.reaper.direct()) {
    replies_.reap(link);  // The calls that it handed back left no room in its ring.
  }
  roster_.relist(link);
  replies_.ensure_reaper(link);
}

void Stalls::end_stalled(std::uint64_t link_id, bool debugged) {
  WorkerLink* link = slots_.find(link_id);
  if (link == nullptr || link->reaper.exited() || link->distrusted || link->ending_stall) {
    return;
  }
  link->stall.look(monotonic_now_ns(), sight_of(*link));
  if (!link->stall.stands()) {
    return;  // The worker has made progress meanwhile.
  }
  if (debugged) {
    link->stall.forgive();
    return;
  }
  link->ending_stall = true;
  warn(*effects_, *link,
       "worker " + std::to_string(link->id) + " has begun nothing for " +
           std::to_string(link->stall.still_ns() / 1'000'000) +
           " ms although it had work, and is ended; something stopped it (a signal, a freezer, a plugin's thread)");
  if (link->state == WorkerLink::State::kReady) {
    link->state = WorkerLink::State::kStopping;  // Takes no further calls.
  }
  recall_.relieve_stalled(*link, true);
  roster_.relist(*link);
  link->kill();
}

void Stalls::end_stopped(std::uint64_t link_id, const ProcessState& state, bool frozen) {
  WorkerLink* link = slots_.find(link_id);
  if (link == nullptr || link->reaper.exited() || link->kill_reason || link->ending_stall) {
    return;
  }
  if (state.main_thread_ended) {
    roster_.kill_for(*link,
                     "the main thread of the worker that ran the call ended while the process lived on; a task must "
                     "return to the worker");
    return;
  }
  const bool stopped = state.stopped || frozen;
  // Seen only once, this may be the moment between a stop and the exit.
  if (stopped && std::exchange(link->found_stopped, true)) {
    roster_.kill_for(*link, std::string("the worker that ran the call was ") +
                                (frozen ? "frozen (by cgroup.freeze or freezer.state of its control group)"
                                        : "stopped (by a signal such as SIGSTOP)") +
                                " and was ended after " + std::to_string(2 * stall_timeout_ns_ / 1'000'000) +
                                " ms; see stall_timeout");
  } else if (!stopped) {
    link->found_stopped = false;
  }
}

}  // namespace tenon::internal
