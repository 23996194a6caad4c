/// host/orphans.hpp: what becomes of the calls of a worker that died or broke the protocol.
#pragma once

#include <cstdint>

#include <tenon/error.hpp>

#include "host/autopsy.hpp"
#include "host/backlog.hpp"
#include "host/bulk_scheduler.hpp"
#include "host/call.hpp"
#include "host/call_ledger.hpp"
#include "host/closing.hpp"
#include "host/effects.hpp"
#include "host/roster.hpp"

namespace tenon::internal {

/// Decides for each call whether it runs again, is charged or ends; see DESIGN.md, "The death of a worker". Not
/// thread-safe: guarded by the scheduler's lock.
class Orphans {
 public:
  /// The arguments must outlive this object.
  Orphans(Roster& roster, CallLedger& ledger, Backlog& backlog, BulkScheduler& bulk, const Closing& closing,
          EffectsBox& effects) noexcept
      : roster_(roster), ledger_(ledger), backlog_(backlog), bulk_(bulk), closing_(closing), effects_(effects) {}

  /// Settles a call that was in the ring of a dead worker.
  void settle(WorkerLink& link, CallRef call, std::uint64_t position, const Autopsy& autopsy);
  /// Kills a worker whose completion of `call` is invalid; the call is no longer in flight. As after a crash, it is
  /// unknown what the worker did with the call.
  void settle_invalid(WorkerLink& link, CallRef call, std::uint64_t position, Error reason);

 private:
  void count_crash(const Call& call);
  /// Settles the call, or the single item, that the worker was running. `repeatable`: it has not called a task that
  /// must not run twice.
  void retry_or_crash(WorkerLink& link, CallRef call, bool repeatable);
  /// Settles a bulk call that was running when its worker died.
  void recover_items(WorkerLink& link, CallRef call, std::uint64_t position, const Autopsy& autopsy);
  /// The same if it is unknown how far the worker came.
  void recover_unknown_items(WorkerLink& link, CallRef call, const Autopsy& autopsy);

  Roster& roster_;
  CallLedger& ledger_;
  Backlog& backlog_;
  BulkScheduler& bulk_;
  const Closing& closing_;
  EffectsBox& effects_;
};

}  // namespace tenon::internal
