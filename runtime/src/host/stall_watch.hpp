/// host/stall_watch.hpp: since when a worker has had something to begin and has begun nothing.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/clock.hpp"

namespace tenon::internal {

/// What one look at a worker shows.
struct WorkerSight {
  /// Something waits for it to begin, and it runs nothing.
  bool waits = false;
  /// It runs a call, or an item of one.
  bool runs = false;
  /// Changes with each step that it makes.
  std::array<std::uint64_t, 3> traces = {};
};

/// Adds up how long a worker stands still, by looks at it. Time counts only while the host itself looks: a host that
/// was stopped together with its workers suspects none of them. Not thread-safe: guarded by the scheduler's lock.
class StallWatch {
 public:
  /// Between two looks, as a rule.
  static constexpr std::int64_t kLookNs = 25'000'000;
  /// A worker that stands still for this long gets nothing more until it moves.
  static constexpr std::int64_t kSuspectNs = 2 * kLookNs;

  void look(MonotonicNs now_ns, const WorkerSight& sight) noexcept {
    stands_ = sight.waits && waited_ && sight.traces == traces_;
    still_ns_ = stands_ ? still_ns_ + std::min(now_ns - looked_ns_, 2 * kLookNs) : 0;
    waited_ = sight.waits;
    traces_ = sight.traces;
    looked_ns_ = now_ns;
  }
  /// Begins anew, as for a worker that has just moved.
  void forgive() noexcept { still_ns_ = 0; }

  /// Whether it has made no step between the last two looks, although it should have.
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
