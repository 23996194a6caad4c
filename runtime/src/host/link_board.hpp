/// host/link_board.hpp: ready workers by how much they have to do.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace tenon::internal {

class WorkerLink;

/// Where a link stands on the board.
struct BoardPlace {
  WorkerLink* next = nullptr;
  WorkerLink* previous = nullptr;
  int level = -1;  ///< -1: not on the board.
};

/// Finds the worker with the least to do, or the most, without looking at all of them. A link stands on the level of
/// the bit width of its load, so that it seldom moves; one that takes nothing more stands above all. Guarded by the
/// scheduler's lock.
class LinkBoard {
 public:
  /// Puts a link where it belongs, newly or again.
  void place(WorkerLink& link, std::size_t load, bool takes_more) noexcept;
  void remove(WorkerLink& link) noexcept;
  /// With the least to do of those that take more; nullptr when there is none. Of the idle ones it is the one that was
  /// busy last: its caches are warm, and it may still be spinning.
  [[nodiscard]] WorkerLink* least() const noexcept;
  [[nodiscard]] WorkerLink* idle() const noexcept { return levels_[0].first; }
  /// With the least to do of those that take more and have something; nullptr when there is none.
  [[nodiscard]] WorkerLink* least_busy() const noexcept;
  /// Links that have something to do.
  [[nodiscard]] std::uint32_t busy_count() const noexcept { return busy_; }
  /// With the most to do; nullptr when none has any.
  [[nodiscard]] WorkerLink* most() const noexcept;

 private:
  struct Level {
    WorkerLink* first = nullptr;
    WorkerLink* last = nullptr;
  };
  static constexpr int kFull = 18;  // Rings have 65536 slots at most.
  std::array<Level, kFull + 1> levels_{};
  std::uint32_t used_ = 0;  // Bit per level that holds a link.
  std::uint32_t busy_ = 0;  // Links that are not on level 0.
};

}  // namespace tenon::internal
