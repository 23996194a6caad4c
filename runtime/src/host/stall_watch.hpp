/// host/stall_watch.hpp: measures how long a worker has had work without starting any.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/clock.hpp"

namespace tenon::internal {

/// An observation of a worker.
struct WorkerSight {
  /// It has work to start and runs nothing.
  bool waits = false;
  /// It runs a call, or an item of one.
  bool runs = false;
  /// Changes with each step of the worker.
  std::array<std::uint64_t, 3> traces = {};
};

/// Adds up how long a worker stalls, from periodic observations. Time counts only while the host
/// itself observes: a host that was stopped together with its workers suspects none of them. Not
/// thread-safe: guarded by the scheduler's lock.
class StallWatch {
 public:
  /// Usual time between two observations.
  static constexpr std::int64_t kLookNs = 25'000'000;
  /// A worker that stalls for this long gets no more work until it makes progress.
  static constexpr std::int64_t kSuspectNs = 2 * kLookNs;

  void look(MonotonicNs now_ns, const WorkerSight& sight) noexcept {
    stands_ = sight.waits && waited_ && sight.traces == traces_;
    still_ns_ = stands_ ? still_ns_ + std::min(now_ns - looked_ns_, 2 * kLookNs) : 0;
    waited_ = sight.waits;
    traces_ = sight.traces;
    looked_ns_ = now_ns;
  }
  /// Restarts the measurement, as for a worker that has just made progress.
  void forgive() noexcept { still_ns_ = 0; }

  /// Whether it made no progress between the last two observations, although it should have.
  [[nodiscard]] bool stands() const noexcept { return stands_; }
  [[nodiscard]] std::int64_t still_ns() const noexcept { return still_ns_; }

 private:
  bool waited_ = false;
  bool stands_ = false;
  std::array<std::uint64_t, 3> traces_ = {};
  MonotonicNs looked_ns_ = 0;
  std::int64_t still_ns_ = 0;
};

}  // namespace tenon::internal
