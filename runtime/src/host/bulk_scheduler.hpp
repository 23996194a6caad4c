/// host/bulk_scheduler.hpp: the items of bulk calls, from the worker's results to their ends.
#pragma once

#include <cstdint>

#include <tenon/error.hpp>

#include "host/backlog.hpp"
#include "host/bulk.hpp"
#include "host/call.hpp"
#include "host/call_ledger.hpp"
#include "host/sent_calls.hpp"
#include "host/slot_table.hpp"
#include "host/wear_watch.hpp"
#include "ipc/host_end.hpp"

namespace tenon::internal {

/// BulkParts and CallDetails record where the items are. Not thread-safe: guarded by the scheduler's lock.
class BulkScheduler {
 public:
  /// The arguments must outlive this object.
  BulkScheduler(const SlotTable& slots, WearWatch& wear, CallLedger& ledger, Backlog& backlog, SentCalls& sent) noexcept
      : slots_(slots), wear_(wear), ledger_(ledger), backlog_(backlog), sent_(sent) {}

  /// Ends the finished items of a bulk call that is still running. Errors: kCorrupt: the worker's results are invalid.
  [[nodiscard]] Result<void> harvest(WorkerLink& link);
  /// Takes the worker's completion of a bulk call that ran. Errors: kCorrupt: the completion is invalid; the caller
  /// then still owns `call`.
  [[nodiscard]] Result<void> complete(WorkerLink& link, CallRef& call, const Completion& completion);
  /// Ends items that ran, up to `done` of those submitted last, with the results in the worker's block. Errors:
  /// kCorrupt: the results are invalid.
  [[nodiscard]] Result<void> end_items(WorkerLink& link, Call& call, std::uint32_t done, const BlockRef& answers,
                                       std::int64_t mean_run_ns);
  /// Cancels items of a bulk call, wherever they are; the others continue.
  void cancel_items(const BulkWork& work, std::uint32_t from, std::uint32_t count);

 private:
  void cancel_part(Call& part);
  /// `copied_bytes` counts the bytes copied for this bulk call.
  [[nodiscard]] Result<StoredBytes> lease_result(WorkerLink& link, const BlockRef& block, const GenerationRef& made_by,
                                                 std::uint64_t& copied_bytes);

  const SlotTable& slots_;
  WearWatch& wear_;
  CallLedger& ledger_;
  Backlog& backlog_;
  SentCalls& sent_;
};

}  // namespace tenon::internal
