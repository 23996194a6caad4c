#include "pipeline/fed_session.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

namespace tenon::internal {

void FedSession::open(Executor& executor, const PlanNode& plan, std::uint32_t node, std::uint32_t which,
                      BytesView checkpoint, std::optional<std::chrono::nanoseconds> step_timeout) {
  SessionOptions options;
  options.params = plan.params;
  options.checkpoint = checkpoint;
  options.step_timeout = step_timeout;
  session_ = executor.make_session(node, which);
  phase_ = Phase::kOpening;
  session_->open(plan.task, options);
}

void FedSession::feed(std::size_t most) {
  feeding_ = std::min(most, items_.size() - fed_);
  feed_.clear();
  for (std::size_t i = 0; i < feeding_; ++i) {
    feed_.push_back(items_[fed_ + i].reply);
  }
  phase_ = Phase::kFeeding;
  session_->feed(feed_);
  feed_.clear();
}

void FedSession::checkpoint() {
  phase_ = Phase::kCheckpointing;
  session_->checkpoint();
}

void FedSession::finish() {
  phase_ = Phase::kFinishing;
  session_->finish();
}

FedSession::Step FedSession::take() {
  Step step;
  step.outcome = session_->take();
  step.phase = std::exchange(phase_, Phase::kIdle);
  if (step.phase == Phase::kFinishing && !step.outcome.error && step.outcome.results.empty()) {
    step.outcome.error = Error{ErrorCode::kCorrupt, "the task ended without a result", {}};
  }
  if (step.phase == Phase::kFeeding && !step.outcome.error) {
    step.fed = feeding_;
    fed_ += feeding_;
  }
  return step;
}

void FedSession::close() {
  session_.reset();
  phase_ = Phase::kClosed;
  fed_ = 0;
}

void FedSession::add(Item item) {
  bytes_ += item.bytes();
  items_.push_back(std::move(item));
}

void FedSession::forget() {
  items_.clear();
  bytes_ = 0;
  fed_ = 0;
}

void FedSession::forget_fed() {
  const auto end = items_.begin() + static_cast<std::ptrdiff_t>(fed_);
  bytes_ -= std::accumulate(items_.begin(), end, std::uint64_t{0},
                            [](std::uint64_t bytes, const Item& item) { return bytes + item.bytes(); });
  items_.erase(items_.begin(), end);
  fed_ = 0;
}

void FedSession::shrink() {
  items_.shrink_to_fit();
  feed_ = {};
}

}  // namespace tenon::internal
