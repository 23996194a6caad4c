/// host/log_budget.hpp: limits how much one worker may log before its lines are dropped and only
/// counted.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "base/clock.hpp"

namespace tenon::internal {

/// A token bucket over lines and bytes. It bounds the host's cost of a worker that logs in a loop:
/// a line over the budget costs no memory. Not thread-safe.
class LogBudget {
 public:
  /// Also the burst that a worker may log after a quiet time.
  static constexpr std::int64_t kLinesPerSecond = 2000;
  static constexpr std::int64_t kBytesPerSecond = std::int64_t{1} << 18;

  /// Whether a line is within the budget; otherwise it counts as dropped.
  [[nodiscard]] bool take(std::size_t size_bytes, MonotonicNs now_ns) noexcept {
    refill(now_ns);
    if (lines_ns_ < kLineNs || bytes_ <= 0) {
      ++dropped_;
      return false;
    }
    lines_ns_ -= kLineNs;
    bytes_ -= static_cast<std::int64_t>(size_bytes);  // A long line leaves a negative balance.
    return true;
  }
  /// The number of lines dropped since the last call.
  [[nodiscard]] std::uint64_t take_dropped() noexcept { return std::exchange(dropped_, 0); }

 private:
  static constexpr std::int64_t kSecondNs = 1'000'000'000;
  static constexpr std::int64_t kLineNs = kSecondNs / kLinesPerSecond;

  void refill(MonotonicNs now_ns) noexcept {
    const std::int64_t passed_ns = refilled_ns_ == 0 ? kSecondNs : std::min(now_ns - refilled_ns_, kSecondNs);
    if (passed_ns <= 0) {
      return;
    }
    const std::int64_t bytes = passed_ns * kBytesPerSecond / kSecondNs;
    if (bytes == 0) {
      return;  // Too short a time; it is added to the next interval.
    }
    refilled_ns_ = now_ns;
    lines_ns_ = std::min(lines_ns_ + passed_ns, kSecondNs);
    bytes_ = std::min(bytes_ + bytes, kBytesPerSecond);
  }

  MonotonicNs refilled_ns_ = 0;
  std::int64_t lines_ns_ = 0;  ///< Each line costs kLineNs.
  std::int64_t bytes_ = 0;
  std::uint64_t dropped_ = 0;
};

}  // namespace tenon::internal
