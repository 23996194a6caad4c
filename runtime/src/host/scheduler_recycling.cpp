/// The scheduler's part about workers that are replaced because of what they have run: see recycle_after_calls and
/// recycle_above_bytes.
#include <algorithm>
#include <utility>

#include "host/scheduler.hpp"

namespace tenon::internal {

namespace {

constexpr std::int64_t kMeasurePeriodNs = 1'000'000'000;

}  // namespace

void Scheduler::wear_out(WorkerLink& link) {
  if (link.worn) {
    return;
  }
  link.worn = true;
  worn_.push_back(link.id);
  effects_->rearm = true;  // The reactor replaces it: here its answers are being read.
  effects_->again = true;
}

std::vector<Scheduler::Measured> Scheduler::take_to_measure(MonotonicNs now_ns) {
  std::vector<Measured> found;
  if (!options_.measures_memory || now_ns < next_measure_ns_) {
    return found;
  }
  for (const WorkerSlot& slot : slots_) {
    WorkerLink* const link = slot.link.get();
    if (link == nullptr || slot.is_extra() || link->worn || link->reaper.exited() ||
        link->state != WorkerLink::State::kReady) {
      continue;
    }
    const bool runs = !link->in_flight.empty();
    if (link->measured_calls != link->calls_done || runs) {
      link->measured_calls = link->calls_done;
      found.push_back({link->id, link->handle->pid()});
    }
  }
  if (!found.empty()) {
    next_measure_ns_ = now_ns + kMeasurePeriodNs;
  }
  return found;
}

bool Scheduler::recycle_worn() {
  bool sessions = false;
  for (const std::uint64_t id : std::exchange(worn_, {})) {
    const WorkerLink* const found = slots_.find(id);
    if (found == nullptr || stopping_ || slots_[found->slot].is_extra() || found->reaper.exited() || found->dismissed ||
        found->state != WorkerLink::State::kReady) {
      continue;
    }
    // A slot may be added, and the link may end.
    const std::shared_ptr<WorkerLink> link = slots_[found->slot].link;
    sessions = sessions || !link->sessions.empty();
    static_cast<void>(move_aside(link->slot, nullptr));
    take_back_all(*link);
    dispatch();
    dismiss_if_done(*link);
    effects_->changed = true;
    effects_->rearm = true;
  }
  return sessions;
}

}  // namespace tenon::internal
