/// pipeline/watermark.hpp: how far the time of a stage's items has advanced.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

namespace tenon::internal {

/// Follows the times of the items of each input. The mark lies `lateness` before the greatest time of the
/// input that is furthest behind, and never goes back. Not thread-safe.
class Watermark {
 public:
  static constexpr std::int64_t kNone = std::numeric_limits<std::int64_t>::min();
  static constexpr std::int64_t kEnd = std::numeric_limits<std::int64_t>::max();

  /// Without `lateness_ns` the mark stays at kNone until the end.
  Watermark(std::size_t inputs, std::optional<std::int64_t> lateness_ns) : inputs_(inputs), lateness_ns_(lateness_ns) {}

  /// An item of an input has this time. The input is not idle then.
  void took(std::size_t input, std::int64_t time_ns) noexcept {
    Input& from = inputs_[input];
    from.idle = false;
    from.greatest = std::max(from.greatest, time_ns);
    advance();
  }
  /// The input does not hold the mark back until its next item.
  void idle(std::size_t input) noexcept {
    inputs_[input].idle = true;
    advance();
  }
  /// The input gives no further items.
  void ended(std::size_t input) noexcept {
    inputs_[input].ended = true;
    advance();
  }
  /// Whether some input has not ended, and all of those are idle.
  [[nodiscard]] bool all_idle() const noexcept {
    bool open = false;
    for (const Input& input : inputs_) {
      if (!input.ended && !input.idle) {
        return false;
      }
      open = open || !input.ended;
    }
    return open;
  }
  /// Moves the mark forward to a time.
  void raise(std::int64_t time_ns) noexcept { mark_ = std::max(mark_, time_ns); }
  /// Items before this time are late. kEnd if all inputs have ended.
  [[nodiscard]] std::int64_t mark() const noexcept { return mark_; }

 private:
  struct Input {
    std::int64_t greatest = kNone;
    bool idle = false;
    bool ended = false;
  };

  void advance() noexcept {
    std::int64_t least = kEnd;
    bool all_ended = true;
    for (const Input& input : inputs_) {
      all_ended = all_ended && input.ended;
      if (!input.ended && !input.idle) {
        least = std::min(least, input.greatest);
      }
    }
    if (all_ended) {
      mark_ = kEnd;
    } else if (lateness_ns_ && least != kEnd && least != kNone) {
      raise(least - *lateness_ns_);
    }
  }

  std::vector<Input> inputs_;
  std::optional<std::int64_t> lateness_ns_;
  std::int64_t mark_ = kNone;
};

}  // namespace tenon::internal
