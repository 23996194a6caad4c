/// host/replies.hpp: reads the replies of workers, and makes the reactor read those for which no thread waits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <tenon/error.hpp>

#include "base/clock.hpp"
#include "host/backlog.hpp"
#include "host/bulk_scheduler.hpp"
#include "host/call.hpp"
#include "host/call_ledger.hpp"
#include "host/effects.hpp"
#include "host/orphans.hpp"
#include "host/recall.hpp"
#include "host/roster.hpp"
#include "host/sent_calls.hpp"
#include "host/slot_table.hpp"
#include "host/wear_watch.hpp"
#include "ipc/host_end.hpp"

namespace tenon::internal {

/// Reads completions, ends their calls, and ensures that the reactor comes for completions for which no thread waits.
/// Not thread-safe: guarded by the scheduler's lock; either the calling thread has the reaper's role of the worker, or
/// no thread has it (`Reaper`).
class Replies {
 public:
  /// The parts of the scheduler that this object uses; they outlive it.
  struct Parts {
    SlotTable& slots;
    WearWatch& wear;
    Roster& roster;
    CallLedger& ledger;
    Backlog& backlog;
    SentCalls& sent;
    Recall& recall;
    BulkScheduler& bulk;
    Orphans& orphans;
    EffectsBox& effects;
  };
  explicit Replies(const Parts& parts) noexcept;

  /// Takes the worker's replies. Returns their number.
  std::size_t reap(WorkerLink& link);
  /// Like reap, without dispatching waiting calls afterwards: the reactor does that.
  void reap_aside(WorkerLink& link);
  /// The next worker, in turn, that has replied and whose reaper is the reactor; null if there is none.
  [[nodiscard]] WorkerLink* next_replied() noexcept;
  /// Does what each tick requires for a streaming worker.
  void tick(WorkerLink& link, MonotonicNs now_ns);

  /// Makes the reactor come for the worker's next reply, unless another thread has the role.
  void ensure_reaper(WorkerLink& link);
  /// Ids of workers that the reactor must visit although their bells did not ring.
  [[nodiscard]] std::vector<std::uint64_t> take_due() noexcept { return std::exchange(due_, {}); }
  /// Workers that replied without ringing; `lost`: so often that the bell counts as lost.
  struct Missed {
    std::shared_ptr<WorkerLink> link;
    bool lost = false;
  };
  [[nodiscard]] std::vector<Missed> check_bells(MonotonicNs now_ns);
  [[nodiscard]] MonotonicNs next_bell_check_ns() const noexcept { return next_bell_check_ns_; }

 private:
  void complete(WorkerLink& link, const Completion& completion);
  /// Stores the outcome of a plain call. Errors: those of SegmentTable::resolve, for an invalid reply.
  [[nodiscard]] Result<void> store_end(WorkerLink& link, Call& call, const Completion& completion);
  /// Ends a bulk call of which no item ran. Errors: those of SegmentTable::resolve.
  [[nodiscard]] Result<void> fail_bulk(WorkerLink& link, CallRef& call, const Completion& completion);
  [[nodiscard]] static Error error_of(const Call& call, const CompletionDescriptor& descriptor, std::string message);

  SlotTable& slots_;
  WearWatch& wear_;
  Roster& roster_;
  CallLedger& ledger_;
  Backlog& backlog_;
  SentCalls& sent_;
  Recall& recall_;
  BulkScheduler& bulk_;
  Orphans& orphans_;
  EffectsBox& effects_;
  std::vector<std::uint64_t> due_;
  MonotonicNs next_bell_check_ns_ = kNever;  // Set while a bell is armed.
  std::size_t cursor_ = 0;
};

}  // namespace tenon::internal
