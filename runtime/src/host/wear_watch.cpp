#include "host/wear_watch.hpp"

namespace tenon::internal {

namespace {

constexpr std::int64_t kMeasurePeriodNs = 1'000'000'000;

}  // namespace

void WearWatch::wear_out(WorkerLink& link) {
  if (link.worn) {
    return;
  }
  link.worn = true;
  worn_.push_back(link.id);
  effects_->rearm = true;  // The reactor replaces the worker, because its completions are being read here.
  effects_->again = true;
}

std::vector<WearWatch::Measured> WearWatch::take_to_measure(const SlotTable& slots, MonotonicNs now_ns) {
  std::vector<Measured> found;
  if (!options_.measures_memory || now_ns < next_measure_ns_) {
    return found;
  }
  for (const WorkerSlot& slot : slots) {
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

}  // namespace tenon::internal
