#include "host/link_board.hpp"

#include "host/worker_link.hpp"

namespace tenon::internal {

void LinkBoard::place(WorkerLink& link, std::size_t load, bool takes_more) noexcept {
  const int level = takes_more ? static_cast<int>(std::bit_width(load)) : kFull;
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
  used_ |= 1u << level;
  busy_ += level == 0 ? 0 : 1;
}

void LinkBoard::remove(WorkerLink& link) noexcept {
  BoardPlace& place = link.board;
  if (place.level < 0) {
    return;
  }
  Level& lane = levels_[static_cast<std::size_t>(place.level)];
  (place.previous != nullptr ? place.previous->board.next : lane.first) = place.next;
  (place.next != nullptr ? place.next->board.previous : lane.last) = place.previous;
  if (lane.first == nullptr) {
    used_ &= ~(1u << place.level);
  }
  busy_ -= place.level == 0 ? 0 : 1;
  place = {};
}

WorkerLink* LinkBoard::least() const noexcept {
  const std::uint32_t open = used_ & ((1u << kFull) - 1);
  return open == 0 ? nullptr : levels_[static_cast<std::size_t>(std::countr_zero(open))].first;
}

WorkerLink* LinkBoard::least_busy() const noexcept {
  const std::uint32_t open = used_ & ((1u << kFull) - 1) & ~1u;
  return open == 0 ? nullptr : levels_[static_cast<std::size_t>(std::countr_zero(open))].first;
}

WorkerLink* LinkBoard::most() const noexcept {
  const std::uint32_t busy = used_ & ~1u;
  return busy == 0 ? nullptr : levels_[static_cast<std::size_t>(std::bit_width(busy) - 1)].first;
}

}  // namespace tenon::internal
