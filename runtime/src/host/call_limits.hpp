/// host/call_limits.hpp: cancels calls, and ends calls whose time limits expire.
#pragma once

#include <cstdint>

#include "base/clock.hpp"
#include "host/backlog.hpp"
#include "host/call.hpp"
#include "host/call_ledger.hpp"
#include "host/call_timers.hpp"
#include "host/recall.hpp"
#include "host/replies.hpp"
#include "host/sent_calls.hpp"
#include "host/slot_table.hpp"
#include "host/stalls.hpp"

namespace tenon::internal {

/// Not thread-safe: guarded by the scheduler's lock.
class CallLimits {
 public:
  /// The parts of the scheduler that this object uses; they outlive it.
  struct Parts {
    const SlotTable& slots;
    CallTimers& timers;
    CallLedger& ledger;
    Backlog& backlog;
    SentCalls& sent;
    Recall& recall;
    Replies& replies;
    Stalls& stalls;
  };
  CallLimits(std::int64_t cancel_grace_ns, const Parts& parts) noexcept;

  /// See Future::cancel.
  bool cancel(Call& call);
  /// See Future::cancel_queued.
  bool cancel_queued(Call& call);
  /// See Future::started.
  [[nodiscard]] bool started(const Call& call) const;
  /// Cancels all calls.
  void cancel_all();
  /// Cancels the calls that no worker has begun.
  void cancel_all_queued();

  /// Acts on the calls whose limits have expired.
  void on_timer(MonotonicNs now_ns);
  [[nodiscard]] MonotonicNs next_ns() const noexcept { return timers_.next_ns(); }

 private:
  void pass(Call& call, MonotonicNs now_ns);
  /// Kills the worker of a call that was asked to stop and is still there after cancel_grace.
  void kill_worker_of(Call& call, MonotonicNs now_ns);

  const std::int64_t cancel_grace_ns_;
  const SlotTable& slots_;
  CallTimers& timers_;
  CallLedger& ledger_;
  Backlog& backlog_;
  SentCalls& sent_;
  Recall& recall_;
  Replies& replies_;
  Stalls& stalls_;
};

}  // namespace tenon::internal
