/// host/in_flight.hpp: the calls in a worker's ring.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "host/call.hpp"

namespace tenon::internal {

/// Calls by their position in a ring, oldest first. Positions are assigned in order; a call that was taken out leaves a
/// gap. Guarded by the scheduler's lock.
class InFlight {
 public:
  /// `slot_count` is that of the ring, a power of two: no more calls can be in flight.
  explicit InFlight(std::uint32_t slot_count = 1) : calls_(std::bit_ceil(slot_count)) {}

  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  /// The oldest call; there must be one.
  [[nodiscard]] Call& front() const noexcept { return *calls_[index(first_)].get(); }
  [[nodiscard]] std::uint64_t front_position() const noexcept { return first_; }
  /// The end of the positions for `at`; the first one is the front's.
  [[nodiscard]] std::uint64_t end_position() const noexcept { return end_; }
  /// The call at a position below the end; null if it was taken out.
  [[nodiscard]] Call* at(std::uint64_t position) const noexcept {
    return position < first_ || position >= end_ ? nullptr : calls_[index(position)].get();
  }

  /// `position` is the next one of the ring.
  void push_back(std::uint64_t position, CallRef call) {
    if (size_ == 0) {
      first_ = position;
    }
    end_ = position + 1;
    calls_[index(position)] = std::move(call);
    ++size_;
  }
  [[nodiscard]] CallRef take(std::uint64_t position) noexcept {
    CallRef call = std::exchange(calls_[index(position)], nullptr);
    --size_;
    while (first_ < end_ && calls_[index(first_)] == nullptr) {
      ++first_;
    }
    return call;
  }
  [[nodiscard]] CallRef pop_front() noexcept { return take(first_); }

 private:
  [[nodiscard]] std::size_t index(std::uint64_t position) const noexcept { return position & (calls_.size() - 1); }

  std::vector<CallRef> calls_;
  std::uint64_t first_ = 0;
  std::uint64_t end_ = 0;
  std::size_t size_ = 0;
};

}  // namespace tenon::internal
