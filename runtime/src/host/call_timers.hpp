/// host/call_timers.hpp: calls by the time at which they next need attention.
///
///   if (timers.set(call, at_ns)) wake_the_reactor();
///   while (Call* call = timers.take_due(now_ns)) ...
#pragma once

#include <set>
#include <utility>

#include "base/clock.hpp"
#include "host/call.hpp"

namespace tenon::internal {

/// Each call has at most one time, stored in CallDetails::timer_ns. Does not keep calls alive: remove them before they
/// end. Not thread-safe.
class CallTimers {
 public:
  /// Sets or replaces the time of a call; kNever removes it. Setting kNever for a call without details does nothing.
  /// Returns whether next_ns() has become earlier.
  bool set(Call& call, MonotonicNs at_ns);
  void remove(Call& call) noexcept;
  /// The earliest time; kNever if there is none.
  [[nodiscard]] MonotonicNs next_ns() const noexcept { return times_.empty() ? kNever : times_.begin()->first; }
  /// Removes and returns the call with the earliest time if that time has come; otherwise returns null.
  [[nodiscard]] Call* take_due(MonotonicNs now_ns) noexcept;

 private:
  std::set<std::pair<MonotonicNs, Call*>> times_;
};

}  // namespace tenon::internal
