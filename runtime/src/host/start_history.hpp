/// host/start_history.hpp: the outcome of starts of one worker slot, and when the next one is due.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/clock.hpp"

namespace tenon::internal {

/// Not thread-safe: guarded by the scheduler's lock.
class StartHistory {
 public:
  /// Number of consecutive failed starts after which a runtime that never had a worker gives up.
  static constexpr std::uint32_t kPatientStarts = 3;

  /// Notes that no worker could be started. Each further failure delays the next start more.
  void note_failure(MonotonicNs now_ns) noexcept {
    failing_since_ns_ = std::min(failing_since_ns_, now_ns);
    due_ns_ = now_ns + std::min(kLongestBackoffNs, kFirstBackoffNs << std::min<std::uint32_t>(failures_, 10));
    ++failures_;
  }
  /// Notes that a worker died without completing anything: a worker that always crashes must not
  /// exhaust the machine.
  void note_useless(MonotonicNs now_ns) noexcept {
    ++failures_;
    due_ns_ = failures_ < kPatientStarts ? 0 : now_ns + kFirstBackoffNs;
  }
  /// Notes that a worker is ready, which says nothing about how long it lives.
  void note_ready() noexcept { failing_since_ns_ = kNever; }
  /// Notes that a worker completed a call.
  void note_answer() noexcept { failures_ = 0; }
  /// Notes the exit of a worker that had completed calls: the next one may start at once.
  void note_end() noexcept { due_ns_ = 0; }

  void delay_until(MonotonicNs from_ns) noexcept { due_ns_ = std::max(due_ns_, from_ns); }
  [[nodiscard]] MonotonicNs due_ns() const noexcept { return due_ns_; }
  /// Whether the last worker, or the last start, was a failure.
  [[nodiscard]] bool failed() const noexcept { return failures_ != 0 || failing_since_ns_ != kNever; }
  /// Whether starts have failed several times in a row.
  [[nodiscard]] bool failed_often() const noexcept { return failures_ >= kPatientStarts; }
  /// Whether no start has succeeded for `patience_ns`.
  [[nodiscard]] bool failed_for(std::int64_t patience_ns, MonotonicNs now_ns) const noexcept {
    return failing_since_ns_ != kNever && now_ns - failing_since_ns_ >= patience_ns;
  }

 private:
  static constexpr std::int64_t kFirstBackoffNs = 50'000'000;
  static constexpr std::int64_t kLongestBackoffNs = 5'000'000'000;

  std::uint32_t failures_ = 0;
  MonotonicNs due_ns_ = 0;
  MonotonicNs failing_since_ns_ = kNever;
};

}  // namespace tenon::internal
