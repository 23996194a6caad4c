#include "host/call_queue.hpp"

#include "base/hot.hpp"
#include "host/call.hpp"

namespace tenon::internal {

namespace {

/// Empty lanes are kept up to this number, so that a queue that is sometimes empty does not allocate each time.
constexpr std::size_t kKeptLanes = 16;
/// Maximum number of calls that find() checks, because the lock is held meanwhile.
constexpr std::size_t kLookedAt = 4096;

}  // namespace

Call* CallQueue::front() const noexcept {
  for (const auto& [priority, lane] : lanes_) {
    if (lane.first != nullptr) {
      return lane.first;
    }
  }
  return nullptr;
}

Call* CallQueue::find(bool (*wanted)(const Call&)) const noexcept {
  std::size_t left = kLookedAt;
  for (const auto& [priority, lane] : lanes_) {
    for (Call* call = lane.first; call != nullptr && left > 0; call = call->next(), --left) {
      if (wanted(*call)) {
        return call;
      }
    }
  }
  return nullptr;
}

TENON_HOT void CallQueue::push_back(Call& call) {
  Lane& lane = lanes_[call.details().priority];
  call.set_next(nullptr);
  call.set_previous(lane.last);
  if (lane.last != nullptr) {
    lane.last->set_next(&call);
  } else {
    lane.first = &call;
  }
  lane.last = &call;
  ++size_;
}

void CallQueue::push_front(Call& call) {
  Lane& lane = lanes_[call.details().priority];
  call.set_next(lane.first);
  call.set_previous(nullptr);
  if (lane.first != nullptr) {
    lane.first->set_previous(&call);
  } else {
    lane.last = &call;
  }
  lane.first = &call;
  ++size_;
}

TENON_HOT void CallQueue::remove(Call& call) noexcept {
  const auto found = lanes_.find(call.details().priority);
  Lane& lane = found->second;
  if (call.previous() != nullptr) {
    call.previous()->set_next(call.next());
  } else {
    lane.first = call.next();
  }
  if (call.next() != nullptr) {
    call.next()->set_previous(call.previous());
  } else {
    lane.last = call.previous();
  }
  --size_;
  if (lane.first == nullptr && lanes_.size() > kKeptLanes) {
    lanes_.erase(found);
  }
}

}  // namespace tenon::internal
