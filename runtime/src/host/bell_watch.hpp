/// host/bell_watch.hpp: finds a worker whose bell no longer rings although it answers.
#pragma once

#include <cstdint>

namespace tenon::internal {

/// One per worker. The reactor checks now and then for answers that it was not rung for. A single one says little: the
/// worker may be about to ring. Guarded by the scheduler's lock.
class BellWatch {
 public:
  /// Time between two checks of workers with calls in flight.
  static constexpr std::int64_t kIntervalNs = 100'000'000;

  /// The bell rang.
  void rang() noexcept { missed_ = 0; }
  /// A check found answers that the worker should have rung for. Returns whether the bell counts as lost: no ring came
  /// between many such checks, as one would even from a worker that waits for a core.
  [[nodiscard]] bool missed() noexcept { return ++missed_ >= kMissedUntilLost; }

 private:
  static constexpr std::uint32_t kMissedUntilLost = 8;
  std::uint32_t missed_ = 0;
};

}  // namespace tenon::internal
