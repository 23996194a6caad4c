/// Decides how much work is under way where the file does not say: enough that no worker waits for
/// the engine, but little enough that a slow stage slows down the stages before it.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>

namespace tenon::internal {

/// Limits the calls of one stage that are under way: two for each worker, so that the next call is
/// there when one ends. If calls are short, the limit is the number that end within `kTime`, by the
/// best rate of the last intervals. Not thread-safe.
class CallWindow {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  /// How long a call may wait for earlier calls of its stage.
  static constexpr std::chrono::milliseconds kTime{1};
  static constexpr std::uint32_t kLeastPerWorker = 2;
  static constexpr std::uint32_t kMostPerWorker = 512;
  /// The number of intervals, each at least kTime long, over which the best rate is taken. A single
  /// interval may be slow because another process had the core.
  static constexpr std::size_t kIntervals = 16;

  CallWindow() = default;
  /// Returns a window that grows and shrinks.
  [[nodiscard]] static CallWindow adaptive(std::uint32_t workers) noexcept {
    return {workers * kLeastPerWorker, workers * kMostPerWorker};
  }
  [[nodiscard]] static CallWindow fixed(std::uint32_t calls) noexcept { return {calls, calls}; }

  [[nodiscard]] std::uint32_t size() const noexcept { return size_; }
  /// Returns how many calls to start now. Returns 0 while less than a quarter of a grown window is
  /// free: the calls under way keep the workers busy, and calls that start together can share a
  /// message.
  [[nodiscard]] std::uint32_t free(std::uint32_t under_way) const noexcept {
    const std::uint32_t free = size_ - std::min(size_, under_way);
    return size_ > least_ && free < size_ / 4 ? 0 : free;
  }
  /// Notes the first call after an idle time. The idle time does not count, unless it ended in the
  /// same round.
  void began(TimePoint now) noexcept {
    if (now != idle_since_) {
      since_ = now;
      ended_ = 0;
    }
  }
  /// Notes that the last call under way has ended.
  void became_idle(TimePoint now) noexcept { idle_since_ = now; }
  void ended() noexcept { ++ended_; }
  /// Updates the rate; called after each round of completions.
  void measure(TimePoint now) noexcept {
    if (ended_ == 0 || now - since_ < kTime) {
      return;
    }
    const double within = static_cast<double>(ended_) * (std::chrono::duration<double>(kTime) / (now - since_));
    rates_[next_++ % kIntervals] = static_cast<std::uint32_t>(std::min(within, static_cast<double>(most_)));
    size_ = std::clamp(*std::max_element(rates_.begin(), rates_.end()), least_, most_);
    since_ = now;
    ended_ = 0;
  }

 private:
  CallWindow(std::uint32_t least, std::uint32_t most) noexcept : least_(least), most_(most), size_(least) {}

  std::uint32_t least_ = 1;
  std::uint32_t most_ = 1;
  std::uint32_t size_ = 1;
  std::uint32_t ended_ = 0;
  TimePoint since_{};
  TimePoint idle_since_{};
  std::size_t next_ = 0;
  std::array<std::uint32_t, kIntervals> rates_{};  ///< Calls that ended within kTime.
};

/// Results that will occupy room in a queue: they have been requested, or wait for room.
struct ResultsAhead {
  std::uint64_t items = 0;
  std::uint64_t bytes = 0;
};

/// Limits the items that one step of a session gives or takes. Not thread-safe.
class StepSize {
 public:
  /// The target duration of a step: it occupies its worker, and its results are only visible after
  /// it ends.
  static constexpr std::chrono::milliseconds kTime{5};
  static constexpr std::uint32_t kFirst = 4;
  static constexpr std::uint32_t kMost = 1024;
  static constexpr std::uint32_t kMostAtFirst = 32;

  [[nodiscard]] std::uint32_t size() const noexcept { return size_; }
  /// Returns how many items fit into `most_bytes` if they are like those of the last step; at least
  /// 1.
  [[nodiscard]] std::uint32_t within(std::uint64_t most_bytes) const noexcept {
    if (item_bytes_ * size_ <= most_bytes) {
      return size_;
    }
    return static_cast<std::uint32_t>(std::max<std::uint64_t>(1, most_bytes / item_bytes_));
  }
  /// Returns the mean size of the items of the last step; 0 if it is not known.
  [[nodiscard]] std::uint64_t item_bytes() const noexcept { return item_bytes_; }
  void carried(std::size_t items, std::uint64_t bytes) noexcept {
    if (items > 0) {
      item_bytes_ = bytes / items;
    }
  }
  /// Returns the size to begin another stream of the same task with. Its items may be much larger, so
  /// the first step is small.
  [[nodiscard]] StepSize for_another() const noexcept {
    StepSize other = *this;
    other.size_ = std::min(size_, kMostAtFirst);
    return other;
  }
  /// A step killed its worker. The next step has one item, so that it contains only the item that
  /// kills workers.
  void lost() noexcept { size_ = 1; }
  /// Notes that a step has ended.
  void stepped(std::size_t items, std::chrono::nanoseconds took) noexcept {
    if (items > 0 && took > kTime) {
      const double share = std::chrono::duration<double>(kTime) / took;
      size_ = std::max<std::uint32_t>(
          1, static_cast<std::uint32_t>(static_cast<double>(std::min<std::size_t>(items, kMost)) * share));
    } else if (items >= size_ && 2 * took <= kTime) {
      size_ = std::min(kMost, size_ * 2);
    }
  }

 private:
  std::uint32_t size_ = kFirst;
  std::uint64_t item_bytes_ = 0;
};

}  // namespace tenon::internal
