/// host/dispatcher.hpp: sends queued calls to workers.
#pragma once

#include <cstdint>
#include <vector>

#include <tenon/error.hpp>

#include "base/clock.hpp"
#include "host/backlog.hpp"
#include "host/call.hpp"
#include "host/call_ledger.hpp"
#include "host/effects.hpp"
#include "host/placement.hpp"
#include "host/replies.hpp"
#include "host/roster.hpp"
#include "host/sent_calls.hpp"
#include "host/slot_table.hpp"
#include "host/stalls.hpp"
#include "host/storage.hpp"
#include "host/worker_messages.hpp"
#include "ipc/layout.hpp"

namespace tenon::internal {

/// Not thread-safe: guarded by the scheduler's lock.
class Dispatcher {
 public:
  /// The parts of the scheduler that this object uses; they outlive it.
  struct Parts {
    SlotTable& slots;
    Roster& roster;
    CallLedger& ledger;
    Backlog& backlog;
    SentCalls& sent;
    Placement& placement;
    Replies& replies;
    Stalls& stalls;
    WorkerMessages& messages;
    ArgumentMemory& arguments;
    EffectsBox& effects;
  };
  explicit Dispatcher(const Parts& parts) noexcept;

  /// Sends waiting calls to the workers that can take them.
  void dispatch();
  /// Sends one queued call to a worker whose reaper's role the calling thread has.
  void send_direct(WorkerLink& link, Call& call);
  /// When to retry an argument that found no room; kNever if there is none.
  [[nodiscard]] MonotonicNs retry_ns() const noexcept { return retry_place_ns_; }

 private:
  enum class Sent : std::uint8_t { kSent, kEnded, kWaits };
  /// Takes a queued call out of its queue and sends it to the worker. kEnded: it ended instead. kWaits: it stays in the
  /// queue, because there is currently no room for its argument.
  Sent send(WorkerLink& link, Call& call);
  /// Sends each worker one call whose argument is already placed, past the calls that wait for room: if no call in
  /// flight will free room for them, these calls will.
  void send_placed();
  [[nodiscard]] Call* next_for(const WorkerLink& link) const noexcept;
  /// Fills in the worker's descriptor of a call, and sends the worker what the descriptor refers to.
  [[nodiscard]] SubmissionDescriptor describe(WorkerLink& link, Call& call);
  /// Moves a private argument to shared memory. False: there is no room now. Errors: those of ArgumentMemory::store.
  [[nodiscard]] Result<bool> place_argument(const WorkerLink& link, Call& call);
  /// Makes the sends of this round visible to the workers.
  void publish();

  SlotTable& slots_;
  Roster& roster_;
  CallLedger& ledger_;
  Backlog& backlog_;
  SentCalls& sent_;
  Placement& placement_;
  Replies& replies_;
  Stalls& stalls_;
  WorkerMessages& messages_;
  ArgumentMemory& arguments_;
  EffectsBox& effects_;
  std::vector<WorkerLink*> unpublished_;   // Links with unpublished submissions of this round.
  MonotonicNs starved_since_ns_ = kNever;  // Since when an argument lacks a descriptor and no call in flight has one.
  MonotonicNs retry_place_ns_ = kNever;
};

}  // namespace tenon::internal
