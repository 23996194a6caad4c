/// The clock used for all deadlines.
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>

namespace tenon::internal {

/// A point in time of CLOCK_MONOTONIC in nanoseconds. It is the same in every process of a machine
/// and does not jump when the wall clock is set.
using MonotonicNs = std::int64_t;

/// A deadline that never passes.
inline constexpr MonotonicNs kNever = std::numeric_limits<MonotonicNs>::max();

/// The current time. Costs about 20 ns. [any-thread]
[[nodiscard]] inline MonotonicNs monotonic_now_ns() noexcept {
  // On Linux libstdc++'s steady_clock is CLOCK_MONOTONIC.
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

/// Now + `duration`, without overflow: kNever if it is too long, now if it is negative.
/// [any-thread]
[[nodiscard]] inline MonotonicNs deadline_after(std::chrono::nanoseconds duration) noexcept {
  const MonotonicNs now = monotonic_now_ns();
  if (duration.count() <= 0) {
    return now;
  }
  return duration.count() > kNever - now ? kNever : now + duration.count();
}

/// The time `duration_ns` after `from_ns`, without overflow. `duration_ns` is not negative.
[[nodiscard]] constexpr MonotonicNs later(MonotonicNs from_ns, std::int64_t duration_ns) noexcept {
  return duration_ns > kNever - from_ns ? kNever : from_ns + duration_ns;
}

/// Milliseconds until `deadline_ns`, rounded up, for system calls: -1 for kNever, 0 if it has
/// passed. [any-thread]
[[nodiscard]] inline int remaining_ms(MonotonicNs deadline_ns) noexcept {
  if (deadline_ns == kNever) {
    return -1;
  }
  const MonotonicNs left_ns = deadline_ns - monotonic_now_ns();
  if (left_ns <= 0) {
    return 0;
  }
  constexpr MonotonicNs kNsPerMs = 1'000'000;
  const MonotonicNs left_ms = (left_ns - 1) / kNsPerMs + 1;
  return left_ms > std::numeric_limits<int>::max() ? std::numeric_limits<int>::max() : static_cast<int>(left_ms);
}

}  // namespace tenon::internal
