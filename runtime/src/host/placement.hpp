/// host/placement.hpp: which slot a bound call goes to, and workers that move from one slot to another.
#pragma once

#include <cstdint>

#include <tenon/error.hpp>

#include "host/backlog.hpp"
#include "host/call.hpp"
#include "host/call_ledger.hpp"
#include "host/effects.hpp"
#include "host/roster.hpp"
#include "host/slot_table.hpp"

namespace tenon::internal {

/// Keeps calls with the worker that they need: the one of their session, or one that has their generation. See
/// swap/DESIGN.md. Not thread-safe: guarded by the scheduler's lock.
class Placement {
 public:
  /// All outlive it.
  Placement(SlotTable& slots, Roster& roster, CallLedger& ledger, Backlog& backlog, EffectsBox& effects) noexcept
      : slots_(slots), roster_(roster), ledger_(ledger), backlog_(backlog), effects_(effects) {}

  // -- calls ------------------------------------------------------------------------------------

  /// Before a bound call is queued: the slot it is bound to may have changed. False: it can run nowhere.
  [[nodiscard]] bool place_pinned(Call& call);
  /// A queued call that `link` must not take goes to a worker at the side that has its generation: the generation was
  /// replaced by one that might not understand the call, or its libraries clash with what the worker has. Returns
  /// whether the call went there. A call that has not begun is led to the newest generation that may have it.
  [[nodiscard]] bool keep_apart(const WorkerLink& link, Call& call);
  /// Why a bound call can run nowhere.
  [[nodiscard]] static Error lost_call_error(const Call& call);

  // -- sessions ---------------------------------------------------------------------------------

  /// Whether the session's worker has been moved aside.
  [[nodiscard]] bool should_move(const SessionRecord& session) const noexcept;
  /// Ends the calls of sessions that were lost with a worker.
  void fail_sessions(std::uint64_t link_id, std::uint32_t slot);

  // -- workers ----------------------------------------------------------------------------------

  /// Moves a worker with all that is its own to another slot, which has none.
  void relocate(std::uint32_t from, std::uint32_t to);
  /// Moves the worker of a primary slot aside. Returns its new slot.
  [[nodiscard]] std::uint32_t move_aside(std::uint32_t primary, GenerationRef generation);
  /// An extra slot has lost its worker: it may be used again, unless a further worker comes for what waits in it.
  void free_slot(std::uint32_t slot);

 private:
  /// Where a call that has not begun is to run: the newest generation that may have it.
  const RouteRef& follow_route(Call& call);
  [[nodiscard]] WorkerLink* link_of(const SessionRecord& session) const noexcept;

  SlotTable& slots_;
  Roster& roster_;
  CallLedger& ledger_;
  Backlog& backlog_;
  EffectsBox& effects_;
};

}  // namespace tenon::internal
