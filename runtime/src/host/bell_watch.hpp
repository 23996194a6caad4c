/// host/bell_watch.hpp: detects a worker whose bell no longer rings although it completes calls.
#pragma once

#include <cstdint>

namespace tenon::internal {

/// One per worker. The reactor periodically checks for completions that it was not rung for. A
/// single one means little: the worker may be about to ring. Guarded by the scheduler's lock.
class BellWatch {
 public:
  /// Time between two checks of workers with calls in flight.
  static constexpr std::int64_t kIntervalNs = 100'000'000;

  /// Notes that the bell rang.
  void rang() noexcept { missed_ = 0; }
  /// Notes that a check found completions that the worker should have rung for. Returns whether the
  /// bell counts as lost: no ring came during many such checks, although even a worker that waits
  /// for a core would have rung.
  [[nodiscard]] bool missed() noexcept { return ++missed_ >= kMissedUntilLost; }

 private:
  static constexpr std::uint32_t kMissedUntilLost = 8;
  std::uint32_t missed_ = 0;
};

}  // namespace tenon::internal
