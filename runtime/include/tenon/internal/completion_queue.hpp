/// tenon/internal/completion_queue.hpp: waits for several futures at once. For use by the public
/// headers only.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>

#include <tenon/internal/future_state.hpp>

namespace tenon::internal {

/// Waits for several states at once; returns their indices in the order of completion. One thread
/// waits.
class CompletionQueue {
 public:
  CompletionQueue();
  ~CompletionQueue();
  CompletionQueue(CompletionQueue&&) noexcept;
  CompletionQueue& operator=(CompletionQueue&&) noexcept;
  void add(Shared<FutureState> state, std::size_t index);
  /// The index of the next completed state; nullopt after the last, or once the deadline has
  /// passed.
  [[nodiscard]] std::optional<std::size_t> next(std::optional<std::chrono::steady_clock::time_point> deadline);

 private:
  struct State;
  struct Link;
  State* state_;
};

/// `now + duration` without overflow; nullopt if it is beyond the clock's range.
template <typename Rep, typename Period>
[[nodiscard]] std::optional<std::chrono::steady_clock::time_point> time_point_after(
    std::chrono::duration<Rep, Period> duration) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point now = Clock::now();
  const std::chrono::duration<double> room = Clock::time_point::max() - now;
  if (std::chrono::duration<double>(duration) >= room * 0.5) {
    return std::nullopt;
  }
  return now + std::chrono::ceil<Clock::duration>(duration);
}

}  // namespace tenon::internal
