#include "host/call_queue.hpp"

#include "host/call.hpp"

namespace tenon::internal {

namespace {

/// Lanes kept although they are empty, so that a queue that is now and then empty does not allocate each time.
constexpr std::size_t kKeptLanes = 16;

}  // namespace

Call* CallQueue::front() const noexcept {
  for (const auto& [priority, lane] : lanes_) {
    if (lane.first != nullptr) {
      return lane.first;
    }
  }
  return nullptr;
}

void CallQueue::push_back(Call& call) {
  Lane& lane = lanes_[call.priority];
  call.links = {.next = nullptr, .previous = lane.last, .queued = true};
  (lane.last != nullptr ? lane.last->links.next : lane.first) = &call;
  lane.last = &call;
  ++size_;
}

void CallQueue::push_front(Call& call) {
  Lane& lane = lanes_[call.priority];
  call.links = {.next = lane.first, .previous = nullptr, .queued = true};
  (lane.first != nullptr ? lane.first->links.previous : lane.last) = &call;
  lane.first = &call;
  ++size_;
}

void CallQueue::remove(Call& call) noexcept {
  const auto found = lanes_.find(call.priority);
  Lane& lane = found->second;
  (call.links.previous != nullptr ? call.links.previous->links.next : lane.first) = call.links.next;
  (call.links.next != nullptr ? call.links.next->links.previous : lane.last) = call.links.previous;
  call.links = {};
  --size_;
  if (lane.first == nullptr && lanes_.size() > kKeptLanes) {
    lanes_.erase(found);
  }
}

}  // namespace tenon::internal
