#include "host/intake.hpp"

#include <utility>

#include "base/hot.hpp"

namespace tenon::internal {

TENON_HOT bool Intake::leave(CallRef& call) noexcept {
  void* last = last_.load(std::memory_order_relaxed);
  if (last == &closed_ || room_.fetch_sub(1, std::memory_order_relaxed) <= 0) {
    return false;
  }
  Call& left = *call;
  do {
    if (last == &closed_) {
      return false;
    }
    left.set_next(static_cast<Call*>(last));
    // Release: the holder of the lock reads the call. Relaxed on failure: this thread does not read the calls that
    // other threads left.
  } while (!last_.compare_exchange_weak(last, &left, std::memory_order_release, std::memory_order_relaxed));
  static_cast<void>(call.take());
  return true;
}

void Intake::open(std::uint32_t room) noexcept {
  room_.store(static_cast<std::int32_t>(room), std::memory_order_relaxed);
  // While the intake is closed, no other thread writes the word. Release: a thread that sees it open also sees the
  // room.
  last_.store(nullptr, std::memory_order_release);
}

Call* Intake::take_or_close() noexcept {
  void* last = nullptr;
  if (last_.compare_exchange_strong(last, &closed_, std::memory_order_relaxed)) {
    return nullptr;
  }
  return in_order(last_.exchange(nullptr, std::memory_order_acquire));
}

Call* Intake::in_order(void* last) noexcept {
  Call* first = nullptr;
  for (Call* call = static_cast<Call*>(last); call != nullptr;) {
    Call* earlier = call->next();
    call->set_next(first);
    first = call;
    call = earlier;
  }
  return first;
}

}  // namespace tenon::internal
