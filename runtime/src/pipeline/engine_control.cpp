// Requests from outside (RunOptions::stop, RunControl) and the state that is published to them.
#include <algorithm>
#include <atomic>

#include "pipeline/engine.hpp"
#include "pipeline/run_control.hpp"

namespace tenon::internal {

void Engine::read_requests() {
  const int asked = options_.stop == nullptr ? 0 : options_.stop->load(std::memory_order_relaxed);
  Steering* const steering = options_.control == nullptr ? nullptr : &options_.control->steering();
  Steering::Requests requests = steering == nullptr ? Steering::Requests{} : steering->requests();
  if (steering != nullptr && asked > requests.stop) {
    // The control then shows this stop too, and it ends a pause.
    steering->stop(asked);
    requests = steering->requests();
  }
  const int stop = std::max(asked, requests.stop);
  if (stop >= 2 && !run_.aborted) {
    run_.abort(RunReport::End::kInterrupted, std::nullopt);
  } else if (stop == 1 && !run_.draining) {
    run_.draining = true;
    for (const auto& node : nodes_) {
      node->drain();
    }
  }
  set_paused(requests.paused && !run_.aborted);
}

void Engine::set_paused(bool paused) {
  if (paused == run_.paused) {
    return;
  }
  run_.paused = paused;
  if (paused) {
    paused_at_ = run_.now;
    run_.timers.pause(run_.now);
  } else {
    run_.paused_time += run_.now - paused_at_;
    run_.timers.resume(run_.now);
  }
}

void Engine::show_progress() {
  if (run_.now < next_progress_ || !options_.on_progress) {
    return;
  }
  next_progress_ = run_.now + kProgressInterval;
  fill_report();
  options_.on_progress(run_.ledger.report());
}

void Engine::publish() {
  if (options_.control == nullptr) {
    return;
  }
  const bool quiet = run_.paused && run_.under_way == 0;
  const bool turned = quiet != quiet_ || next_publish_ == TimePoint{};
  unpublished_ = unpublished_ || turned || !ended_.empty() || !stream_ended_.empty();
  if (!unpublished_ || (run_.now < next_publish_ && !turned)) {
    return;
  }
  quiet_ = quiet;
  unpublished_ = false;
  next_publish_ = run_.now + kProgressInterval;
  fill_report();
  options_.control->steering().publish(run_.ledger.report(), quiet);
}

}  // namespace tenon::internal
