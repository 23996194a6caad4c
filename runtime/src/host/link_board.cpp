#include "host/link_board.hpp"

#include "base/hot.hpp"
#include "host/worker_link.hpp"

namespace tenon::internal {

TENON_HOT void LinkBoard::place(WorkerLink& link, std::size_t load, bool takes_more, bool flows) noexcept {
  const int height = takes_more ? static_cast<int>(std::bit_width(load)) : kFull;
  const int level = flows && load > 0 ? kLevels + height : height;
  BoardPlace& place = link.board;
  if (place.level == level) {
    return;
  }
  remove(link);
  place.level = level;
  Level& lane = levels_[static_cast<std::size_t>(level)];
  if (level == 0) {
    place.next = lane.first;
    (lane.first != nullptr ? lane.first->board.previous : lane.last) = &link;
    lane.first = &link;
  } else {
    place.previous = lane.last;
    (lane.last != nullptr ? lane.last->board.next : lane.first) = &link;
    lane.last = &link;
  }
  used_ |= std::uint64_t{1} << level;
  flowing_ += level >= kLevels ? 1 : 0;
  held_ += level > 0 && level < kLevels ? 1 : 0;
}

TENON_HOT void LinkBoard::remove(WorkerLink& link) noexcept {
  BoardPlace& place = link.board;
  if (place.level < 0) {
    return;
  }
  Level& lane = levels_[static_cast<std::size_t>(place.level)];
  (place.previous != nullptr ? place.previous->board.next : lane.first) = place.next;
  (place.next != nullptr ? place.next->board.previous : lane.last) = place.previous;
  if (lane.first == nullptr) {
    used_ &= ~(std::uint64_t{1} << place.level);
  }
  flowing_ -= place.level >= kLevels ? 1 : 0;
  held_ -= place.level > 0 && place.level < kLevels ? 1 : 0;
  place = {};
}

std::uint32_t LinkBoard::used(bool flows) const noexcept {
  return static_cast<std::uint32_t>(flows ? used_ >> kLevels : used_) & ((1u << kLevels) - 1);
}

WorkerLink* LinkBoard::lowest(std::uint32_t levels, bool flows) const noexcept {
  const int height = std::countr_zero(levels);
  return levels == 0 ? nullptr : levels_[static_cast<std::size_t>(flows ? kLevels + height : height)].first;
}

WorkerLink* LinkBoard::least() const noexcept {
  constexpr std::uint32_t kOpen = (1u << kFull) - 1;
  const std::uint32_t flowing = used(true) & kOpen;
  const std::uint32_t others = used(false) & kOpen;
  const bool flows = std::countr_zero(flowing) <= std::countr_zero(others);
  return lowest(flows ? flowing : others, flows);
}

WorkerLink* LinkBoard::least_flowing() const noexcept {
  return lowest(used(true) & ((1u << kFull) - 1), true);
}

TENON_HOT WorkerLink* LinkBoard::most(bool flows) const noexcept {
  return lowest(std::bit_floor(used(flows) & ~1u), flows);
}

}  // namespace tenon::internal
