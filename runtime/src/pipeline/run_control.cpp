#include "pipeline/run_control.hpp"

#include <cstddef>
#include <iterator>

namespace tenon {
namespace internal {
namespace {

constexpr std::uint32_t kPause = 1;
constexpr std::uint32_t kDrain = 2;
constexpr std::uint32_t kCancel = 4;

/// Copies `report` over `target`, an earlier report of the same run. For lists that only grow, only
/// the new elements are copied.
void take_over(RunReport& target, const RunReport& report) {
  const auto append = [](auto& to, const auto& from) {
    to.insert(to.end(), std::next(from.begin(), static_cast<std::ptrdiff_t>(to.size())), from.end());
  };
  target.end = report.end;
  target.stages = report.stages;
  append(target.failures, report.failures);
  target.failure_count = report.failure_count;
  target.error = report.error;
  target.seconds = report.seconds;
  append(target.outputs, report.outputs);
}

}  // namespace

void Steering::change(std::uint32_t set, std::uint32_t clear) {
  const auto run = run_.lock();
  const std::uint32_t before = requests_.load(std::memory_order_relaxed);
  const std::uint32_t requests = (before & ~clear) | set;
  if (requests == before) {
    return;
  }
  requests_.store(requests, std::memory_order_relaxed);
  if (run->executor != nullptr) {
    run->executor->wake();
  }
}

void Steering::set_paused(bool paused) {
  change(paused ? kPause : 0, paused ? 0 : kPause);
}

void Steering::stop(int stop) {
  change(stop >= 2 ? kCancel : kDrain, kPause);
}

RunControl::State Steering::state() const {
  const auto run = run_.lock();
  const Requests requests = this->requests();
  if (run->ended) {
    return RunControl::State::kEnded;
  }
  if (!run->begun) {
    return RunControl::State::kReady;
  }
  if (requests.stop >= 2) {
    return RunControl::State::kCancelling;
  }
  if (requests.paused) {
    return run->quiet ? RunControl::State::kPaused : RunControl::State::kPausing;
  }
  return requests.stop == 1 ? RunControl::State::kDraining : RunControl::State::kRunning;
}

RunReport Steering::report() const {
  return run_.lock()->report;
}

bool Steering::attach(Executor& executor) {
  const auto run = run_.lock();
  if (run->begun) {
    return false;
  }
  run->begun = true;
  run->executor = &executor;
  return true;
}

void Steering::detach() {
  const auto run = run_.lock();
  run->executor = nullptr;
  run->ended = true;
}

Steering::Requests Steering::requests() const noexcept {
  const std::uint32_t requests = requests_.load(std::memory_order_relaxed);
  return {(requests & kPause) != 0, (requests & kCancel) != 0 ? 2 : (requests & kDrain) != 0 ? 1 : 0};
}

void Steering::publish(const RunReport& report, bool quiet) {
  const auto run = run_.lock();
  take_over(run->report, report);
  run->quiet = quiet;
}

void Steering::end(const RunReport& report) {
  const auto run = run_.lock();
  take_over(run->report, report);
  run->ended = true;
}

}  // namespace internal

RunControl::RunControl() : steering_(std::make_unique<internal::Steering>()) {}

RunControl::~RunControl() = default;

void RunControl::pause() {
  steering_->set_paused(true);
}

void RunControl::resume() {
  steering_->set_paused(false);
}

void RunControl::drain() {
  steering_->stop(1);
}

void RunControl::cancel() {
  steering_->stop(2);
}

RunControl::State RunControl::state() const {
  return steering_->state();
}

RunReport RunControl::report() const {
  return steering_->report();
}

std::string_view run_state_name(RunControl::State state) noexcept {
  switch (state) {
    case RunControl::State::kReady:
      return "ready";
    case RunControl::State::kRunning:
      return "running";
    case RunControl::State::kPausing:
      return "pausing";
    case RunControl::State::kPaused:
      return "paused";
    case RunControl::State::kDraining:
      return "draining";
    case RunControl::State::kCancelling:
      return "cancelling";
    case RunControl::State::kEnded:
      return "ended";
  }
  return "unknown";
}

}  // namespace tenon
