/// The one clock of deadlines.
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>

namespace tenon::internal {

/// A point of CLOCK_MONOTONIC in nanoseconds, the same in every process of a machine; does not jump when the wall clock
/// is set.
using MonotonicNs = std::int64_t;

/// The deadline that never comes.
inline constexpr MonotonicNs kNever = std::numeric_limits<MonotonicNs>::max();

/// Now. Some 20 ns. [any-thread]
[[nodiscard]] inline MonotonicNs monotonic_now_ns() noexcept {
  // On Linux libstdc++'s steady_clock is CLOCK_MONOTONIC.
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

/// Now + `duration`, without overflow: too long is kNever, below zero is now. [any-thread]
[[nodiscard]] inline MonotonicNs deadline_after(std::chrono::nanoseconds duration) noexcept {
  const MonotonicNs now = monotonic_now_ns();
  if (duration.count() <= 0) {
    return now;
  }
  return duration.count() > kNever - now ? kNever : now + duration.count();
}

/// A point in time and what comes `duration_ns` after it, without overflow. `duration_ns` is not negative.
[[nodiscard]] constexpr MonotonicNs later(MonotonicNs from_ns, std::int64_t duration_ns) noexcept {
  return duration_ns > kNever - from_ns ? kNever : from_ns + duration_ns;
}

/// Milliseconds until `deadline_ns`, rounded up, for system calls: -1 for kNever, 0 when passed. [any-thread]
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
