#include "pipeline/node_timers.hpp"

#include <algorithm>
#include <utility>

namespace tenon::internal {

std::optional<NodeTimers::TimePoint> NodeTimers::next() const {
  return timers_.empty() ? std::nullopt : std::optional(timers_.top().at);
}

std::optional<NodeTimer> NodeTimers::take_due(TimePoint now) {
  if (timers_.empty() || timers_.top().at > now) {
    return std::nullopt;
  }
  const NodeTimer timer = timers_.top();
  timers_.pop();
  return timer;
}

void NodeTimers::pause(TimePoint now) {
  paused_at_ = now;
  std::vector<NodeTimer> others;
  for (; !timers_.empty(); timers_.pop()) {
    (timers_.top().kind == NodeTimer::Kind::kGather ? held_ : others).push_back(timers_.top());
  }
  timers_ = Queue(Later(), std::move(others));
}

void NodeTimers::resume(TimePoint now) {
  for (NodeTimer& timer : std::exchange(held_, {})) {
    if (timer.kind == NodeTimer::Kind::kGather) {
      timer.at += now - paused_at_;
    }
    timers_.push(timer);
  }
}

void NodeTimers::hurry(TimePoint now, const std::function<bool(std::uint32_t)>& selects) {
  std::vector<NodeTimer> timers;
  for (; !timers_.empty(); timers_.pop()) {
    timers.push_back(timers_.top());
    if (selects(timers.back().node)) {
      timers.back().at = std::min(timers.back().at, now);
    }
  }
  timers_ = Queue(Later(), std::move(timers));
}

}  // namespace tenon::internal
