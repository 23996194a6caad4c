// Requests from outside (RunOptions::stop, RunControl) and the state that is published to them.
#include <algorithm>
#include <atomic>
#include <utility>

#include "pipeline/engine.hpp"

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
  if (stop >= 2 && !aborted_) {
    abort(RunReport::End::kInterrupted, std::nullopt);
  } else if (stop == 1 && !draining_) {
    drain();
  }
  set_paused(requests.paused && !aborted_);
}

void Engine::drain() {
  draining_ = true;
  for (std::uint32_t i = 0; i < nodes_.size(); ++i) {
    if (nodes_[i].plan->kind == NodeKind::kSource) {
      nodes_[i].draining = true;
      schedule(i);
    }
  }
}

void Engine::set_paused(bool paused) {
  if (paused == paused_) {
    return;
  }
  paused_ = paused;
  if (paused) {
    paused_at_ = now_;
    // While paused, no items arrive to fill a batch, so this time does not count.
    std::vector<Timer> others;
    for (; !timers_.empty(); timers_.pop()) {
      (timers_.top().kind == Timer::Kind::kGather ? held_timers_ : others).push_back(timers_.top());
    }
    timers_ = std::priority_queue<Timer>(std::less<Timer>(), std::move(others));
    return;
  }
  for (Timer& timer : std::exchange(held_timers_, {})) {
    if (timer.kind == Timer::Kind::kGather) {
      timer.at += now_ - paused_at_;
    }
    timers_.push(timer);
  }
}

void Engine::show_progress() {
  if (now_ < next_progress_ || !options_.on_progress) {
    return;
  }
  next_progress_ = now_ + kProgressInterval;
  fill_report();
  options_.on_progress(report_);
}

void Engine::publish() {
  if (options_.control == nullptr) {
    return;
  }
  const bool quiet = paused_ && under_way_ == 0;
  const bool turned = quiet != quiet_ || next_publish_ == TimePoint{};
  unpublished_ = unpublished_ || turned || !ended_.empty();
  if (!unpublished_ || (now_ < next_publish_ && !turned)) {
    return;
  }
  quiet_ = quiet;
  unpublished_ = false;
  next_publish_ = now_ + kProgressInterval;
  fill_report();
  options_.control->steering().publish(report_, quiet);
}

}  // namespace tenon::internal
