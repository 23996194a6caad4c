/// host/closing.hpp: how far a runtime has come with its end.
#pragma once

#include <algorithm>
#include <cstdint>

namespace tenon::internal {

/// The phases only ever advance. Not thread-safe: guarded by the scheduler's lock.
class Closing {
 public:
  /// Calls that workers hand back end as cancelled.
  void take_nothing_back() noexcept { advance(Phase::kTakesNothingBack); }
  /// No worker is started any more; those that have nothing left to do stop.
  void stop() noexcept { advance(Phase::kStopping); }
  /// Every worker is killed.
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
