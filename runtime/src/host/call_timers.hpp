/// host/call_timers.hpp: calls by the time at which something is to happen to them.
///
///   if (timers.set(call, at_ns)) wake_the_reactor();
///   while (Call* call = timers.take_due(now_ns)) ...
#pragma once

#include <set>
#include <utility>

#include "base/clock.hpp"
#include "host/call.hpp"

namespace tenon::internal {

/// One time for each call at most; CallDetails::timer_ns says which. Does not keep calls alive: remove them before they
/// end. Not thread-safe.
class CallTimers {
 public:
  /// Sets or replaces the time of a call; kNever takes it out. A call without details has no time to replace. Returns
  /// whether next_ns() has come nearer.
  bool set(Call& call, MonotonicNs at_ns);
  void remove(Call& call) noexcept;
  /// The earliest time; kNever when there is none.
  [[nodiscard]] MonotonicNs next_ns() const noexcept { return times_.empty() ? kNever : times_.begin()->first; }
  /// Takes out the call with the earliest time, once that has come; null otherwise.
  [[nodiscard]] Call* take_due(MonotonicNs now_ns) noexcept;

 private:
  std::set<std::pair<MonotonicNs, Call*>> times_;
};

}  // namespace tenon::internal
