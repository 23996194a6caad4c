/// host/link_board.hpp: ready workers, sorted by load.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace tenon::internal {

class WorkerLink;

/// The position of a link on the board.
struct BoardPlace {
  WorkerLink* next = nullptr;
  WorkerLink* previous = nullptr;
  int level = -1;  ///< -1: not on the board.
};

/// Finds the worker with the least or the most load without checking all of them. A link's level is
/// the bit width of its load, so that it rarely moves; a link that accepts nothing more is on the
/// highest level. Flowing links, which complete short calls one after another, have separate
/// levels. Guarded by the scheduler's lock.
class LinkBoard {
 public:
  /// Places a link on its level, or moves it there. An idle link does not flow.
  void place(WorkerLink& link, std::size_t load, bool takes_more, bool flows) noexcept;
  void remove(WorkerLink& link) noexcept;
  /// The link with the least load among those that accept more; nullptr if there is none. Among
  /// idle links it is the one that was busy last: its caches are warm, and it may still be
  /// spinning. On one level, flowing links come first.
  [[nodiscard]] WorkerLink* least() const noexcept;
  [[nodiscard]] WorkerLink* idle() const noexcept { return levels_[0].first; }
  /// The link with the least load among flowing ones that accept more; nullptr if there is none.
  [[nodiscard]] WorkerLink* least_flowing() const noexcept;
  /// Number of flowing links, and of busy links that do not flow.
  [[nodiscard]] std::uint32_t flowing_count() const noexcept { return flowing_; }
  [[nodiscard]] std::uint32_t held_count() const noexcept { return held_; }
  /// The link with the most load among the flowing or the other ones; nullptr if none has any.
  [[nodiscard]] WorkerLink* most(bool flows) const noexcept;

 private:
  struct Level {
    WorkerLink* first = nullptr;
    WorkerLink* last = nullptr;
  };
  static constexpr int kFull = 18;  // Rings have at most 65536 slots.
  static constexpr int kLevels = kFull + 1;
  [[nodiscard]] std::uint32_t used(bool flows) const noexcept;
  /// The first link on the lowest of `levels`; nullptr if there are none.
  [[nodiscard]] WorkerLink* lowest(std::uint32_t levels, bool flows) const noexcept;

  std::array<Level, 2 * kLevels> levels_{};  // The second half: flowing links.
  std::uint64_t used_ = 0;                   // One bit per level that contains a link.
  std::uint32_t flowing_ = 0;
  std::uint32_t held_ = 0;
};

}  // namespace tenon::internal
