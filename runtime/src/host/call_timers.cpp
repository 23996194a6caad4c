#include "host/call_timers.hpp"

#include "base/hot.hpp"

namespace tenon::internal {

TENON_HOT bool CallTimers::set(Call& call, MonotonicNs at_ns) {
  if (at_ns == call.details().timer_ns) {
    return false;
  }
  remove(call);
  if (at_ns == kNever) {
    return false;
  }
  const auto entry = times_.emplace(at_ns, &call).first;
  call.make_details().timer_ns = at_ns;
  return entry == times_.begin();
}

TENON_HOT void CallTimers::remove(Call& call) noexcept {
  if (call.details().timer_ns != kNever) {
    CallDetails& details = call.make_details();
    times_.erase({details.timer_ns, &call});
    details.timer_ns = kNever;
  }
}

Call* CallTimers::take_due(MonotonicNs now_ns) noexcept {
  if (next_ns() > now_ns) {
    return nullptr;
  }
  Call* const call = times_.begin()->second;
  remove(*call);
  return call;
}

}  // namespace tenon::internal
