/// host/generation_workers.hpp: the workers of each generation of a plugin, and how one generation replaces another.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "host/call_limits.hpp"
#include "host/closing.hpp"
#include "host/dispatcher.hpp"
#include "host/effects.hpp"
#include "host/placement.hpp"
#include "host/recall.hpp"
#include "host/roster.hpp"
#include "host/slot_table.hpp"
#include "host/trials.hpp"
#include "host/wear_watch.hpp"
#include "swap/fleet.hpp"

namespace tenon::internal {

/// See swap/DESIGN.md. Not thread-safe: guarded by the scheduler's lock.
class GenerationWorkers {
 public:
  /// The parts of the scheduler that this object uses; they outlive it.
  struct Parts {
    SlotTable& slots;
    Trials& trials;
    WearWatch& wear;
    Roster& roster;
    Backlog& backlog;
    CallLedger& ledger;
    Recall& recall;
    Placement& placement;
    Dispatcher& dispatcher;
    CallLimits& limits;
    const Closing& closing;
    EffectsBox& effects;
  };
  GenerationWorkers(std::int64_t cancel_grace_ns, const Parts& parts) noexcept;

  /// Number of ready workers that have a generation of the plugin and take calls of all kinds.
  [[nodiscard]] std::uint32_t count_with(std::string_view plugin) const noexcept;
  /// Adds slots for workers that are to load `generation`; they start soon. They take only kLoad calls.
  [[nodiscard]] std::vector<std::uint32_t> add_warm_slots(const GenerationRef& generation, std::uint32_t count);
  struct Switch {
    GenerationRef to;
    bool keeps_queued = false;
    std::int64_t session_drain_ns = 0;
  };
  /// The workers that loaded `to` replace those with another generation of its plugin, which move aside and finish. The
  /// successors of the routes must already be set.
  void switch_to(const Switch& change);
  /// Stops the workers of a generation that is not current, once they have finished.
  void retire(const Generation& generation);
  /// Whether a worker has loaded the generation or is to load it.
  [[nodiscard]] bool has(const Generation& generation) const noexcept;
  void fill_tally(const Generation& generation, GenerationTally& tally) const;

  /// Replaces worn workers. Returns whether open sessions are to move.
  [[nodiscard]] bool recycle_worn();
  /// Ends the sessions of a worker that was moved aside, once their time is over.
  void end_overstayed(WorkerLink& link, MonotonicNs now_ns);

 private:
  /// Cancels the calls that make a worker load a generation: a worker that hangs in one is killed after the grace
  /// period.
  void cancel_loads(WorkerLink& link);
  /// Cancels the calls that wait in a slot for a generation that is no longer wanted.
  void drop_waiting(std::uint32_t slot);

  const std::int64_t cancel_grace_ns_;
  SlotTable& slots_;
  Trials& trials_;
  WearWatch& wear_;
  Roster& roster_;
  Backlog& backlog_;
  CallLedger& ledger_;
  Recall& recall_;
  Placement& placement_;
  Dispatcher& dispatcher_;
  CallLimits& limits_;
  const Closing& closing_;
  EffectsBox& effects_;
};

}  // namespace tenon::internal
