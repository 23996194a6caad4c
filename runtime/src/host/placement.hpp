/// host/placement.hpp: decides which slot a bound call goes to, and moves workers from one slot to another.
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

/// Keeps calls with the workers that they need: the one with their session, or one with their generation. See
/// swap/DESIGN.md. Not thread-safe: guarded by the scheduler's lock.
class Placement {
 public:
  /// The arguments must outlive this object.
  Placement(SlotTable& slots, Roster& roster, CallLedger& ledger, Backlog& backlog, EffectsBox& effects) noexcept
      : slots_(slots), roster_(roster), ledger_(ledger), backlog_(backlog), effects_(effects) {}

  // -- calls ------------------------------------------------------------------------------------

  /// Called before a bound call is queued, because the slot it is bound to may have changed. False: no worker can run
  /// it.
  [[nodiscard]] bool place_pinned(Call& call);
  /// Moves a queued call that `link` must not take to a worker aside that has the call's generation. This happens if
  /// the generation was replaced by one that might not understand the call, or if its libraries clash with those in the
  /// worker. Returns whether the call was moved. A call that has not begun follows its route to the newest generation
  /// that may have it.
  [[nodiscard]] bool keep_apart(const WorkerLink& link, Call& call);
  /// The error of a bound call that no worker can run.
  [[nodiscard]] static Error lost_call_error(const Call& call);

  // -- sessions ---------------------------------------------------------------------------------

  /// Whether the session's worker has been moved aside.
  [[nodiscard]] bool should_move(const SessionRecord& session) const noexcept;
  /// Ends the calls of sessions that were lost with a worker.
  void fail_sessions(std::uint64_t link_id, std::uint32_t slot);

  // -- workers ----------------------------------------------------------------------------------

  /// Moves a worker with its calls and sessions to another slot, which has none.
  void relocate(std::uint32_t from, std::uint32_t to);
  /// Moves the worker of a primary slot aside. Returns its new slot.
  [[nodiscard]] std::uint32_t move_aside(std::uint32_t primary, GenerationRef generation);
  /// An extra slot has lost its worker: frees the slot, unless another worker will start for the calls that wait in it.
  void free_slot(std::uint32_t slot);

 private:
  /// The route on which a call that has not begun is to run: that of the newest generation that may have it.
  const RouteRef& follow_route(Call& call);
  [[nodiscard]] WorkerLink* link_of(const SessionRecord& session) const noexcept;

  SlotTable& slots_;
  Roster& roster_;
  CallLedger& ledger_;
  Backlog& backlog_;
  EffectsBox& effects_;
};

}  // namespace tenon::internal
