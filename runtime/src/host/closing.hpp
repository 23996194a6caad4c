/// host/closing.hpp: the phases in which a runtime shuts down.
#pragma once

#include <algorithm>
#include <cstdint>

namespace tenon::internal {

/// The phases only ever advance. Not thread-safe: guarded by the scheduler's lock.
class Closing {
 public:
  /// From now on, calls that workers hand back end as cancelled.
  void take_nothing_back() noexcept { advance(Phase::kTakesNothingBack); }
  /// From now on, no worker is started, and workers without work stop.
  void stop() noexcept { advance(Phase::kStopping); }
  /// From now on, every worker is killed.
  void kill() noexcept { advance(Phase::kKilling); }

  /// Whether a call that a worker hands back without having begun it is queued again.
  [[nodiscard]] bool takes_back() const noexcept { return phase_ == Phase::kOpen; }
  [[nodiscard]] bool stopping() const noexcept { return phase_ >= Phase::kStopping; }
  [[nodiscard]] bool killing() const noexcept { return phase_ == Phase::kKilling; }

 private:
  enum class Phase : std::uint8_t { kOpen, kTakesNothingBack, kStopping, kKilling };
  void advance(Phase phase) noexcept { phase_ = std::max(phase_, phase); }
  Phase phase_ = Phase::kOpen;
};

}  // namespace tenon::internal
