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
/// the bit width of its load, so that it seldom moves; one that takes nothing more stands above all. Those that flow,
/// which answer short calls one after another, have levels of their own. Guarded by the scheduler's lock.
class LinkBoard {
 public:
  /// Puts a link where it belongs, newly or again. One without a load does not flow.
  void place(WorkerLink& link, std::size_t load, bool takes_more, bool flows) noexcept;
  void remove(WorkerLink& link) noexcept;
  /// With the least to do of those that take more; nullptr when there is none. Of the idle ones it is the one that was
  /// busy last: its caches are warm, and it may still be spinning. Of those on one level, it is one that flows.
  [[nodiscard]] WorkerLink* least() const noexcept;
  [[nodiscard]] WorkerLink* idle() const noexcept { return levels_[0].first; }
  /// With the least to do of those that flow and take more; nullptr when there is none.
  [[nodiscard]] WorkerLink* least_flowing() const noexcept;
  /// Links that flow, and those that have something to do and do not.
  [[nodiscard]] std::uint32_t flowing_count() const noexcept { return flowing_; }
  [[nodiscard]] std::uint32_t held_count() const noexcept { return held_; }
  /// With the most to do of those that flow or of the others; nullptr when none has any.
  [[nodiscard]] WorkerLink* most(bool flows) const noexcept;

 private:
  struct Level {
    WorkerLink* first = nullptr;
    WorkerLink* last = nullptr;
  };
  static constexpr int kFull = 18;  // Rings have 65536 slots at most.
  static constexpr int kLevels = kFull + 1;
  [[nodiscard]] std::uint32_t used(bool flows) const noexcept;
  /// The first link on the lowest of `levels`; nullptr when there are none.
  [[nodiscard]] WorkerLink* lowest(std::uint32_t levels, bool flows) const noexcept;

  std::array<Level, 2 * kLevels> levels_{};  // The second half: of those that flow.
  std::uint64_t used_ = 0;                   // Bit per level that holds a link.
  std::uint32_t flowing_ = 0;
  std::uint32_t held_ = 0;
};

}  // namespace tenon::internal
