/// host/start_history.hpp: how the starts of one worker slot went, and when the next one is due.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/clock.hpp"

namespace tenon::internal {

/// Not thread-safe: guarded by the scheduler's lock.
class StartHistory {
 public:
  /// Starts that fail in a row before a runtime that never had a worker gives up.
  static constexpr std::uint32_t kPatientStarts = 3;

  /// No worker could be started. Each further failure makes the next start wait longer.
  void note_failure(MonotonicNs now_ns) noexcept {
    failing_since_ns_ = std::min(failing_since_ns_, now_ns);
    due_ns_ = now_ns + std::min(kLongestBackoffNs, kFirstBackoffNs << std::min<std::uint32_t>(failures_, 10));
    ++failures_;
  }
  /// A worker died without ever answering: one that cannot live must not eat the machine.
  void note_useless(MonotonicNs now_ns) noexcept {
    ++failures_;
    due_ns_ = failures_ < kPatientStarts ? 0 : now_ns + kFirstBackoffNs;
  }
  /// A worker is ready, which says nothing yet of how long it lives.
  void note_ready() noexcept { failing_since_ns_ = kNever; }
  /// A worker answered.
  void note_answer() noexcept { failures_ = 0; }
  /// A worker that had answered is gone: the next one may come at once.
  void note_end() noexcept { due_ns_ = 0; }

  void delay_until(MonotonicNs from_ns) noexcept { due_ns_ = std::max(due_ns_, from_ns); }
  [[nodiscard]] MonotonicNs due_ns() const noexcept { return due_ns_; }
  /// Starts have failed several times in a row.
  [[nodiscard]] bool failed_often() const noexcept { return failures_ >= kPatientStarts; }
  /// No start has succeeded for `patience_ns`.
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
