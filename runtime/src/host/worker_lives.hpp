/// host/worker_lives.hpp: workers that start, and workers that exit.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include <tenon/error.hpp>

#include "base/clock.hpp"
#include "host/backlog.hpp"
#include "host/closing.hpp"
#include "host/effects.hpp"
#include "host/orphans.hpp"
#include "host/placement.hpp"
#include "host/replies.hpp"
#include "host/roster.hpp"
#include "host/slot_table.hpp"

namespace tenon::internal {

/// Not thread-safe: guarded by the scheduler's lock.
class WorkerLives {
 public:
  /// The parts of the scheduler that this object uses; they outlive it.
  struct Parts {
    SlotTable& slots;
    Roster& roster;
    Backlog& backlog;
    Placement& placement;
    Orphans& orphans;
    Replies& replies;
    const Closing& closing;
    EffectsBox& effects;
  };
  WorkerLives(std::int64_t start_timeout_ns, const Parts& parts) noexcept;

  /// Takes the worker that was started for link->slot.
  void started(std::shared_ptr<WorkerLink> link);
  void start_failed(std::uint32_t slot, Error error);
  /// Notes that a worker is ready.
  void note_ready() noexcept { unavailable_.reset(); }
  /// The error while no slot has a worker and all starts have failed for too long; nullopt otherwise.
  [[nodiscard]] const std::optional<Error>& unavailable() const noexcept { return unavailable_; }
  /// Cleans up after a worker that has exited. The caller dispatches afterwards.
  void bury(WorkerLink& link);
  [[nodiscard]] std::uint64_t crashed() const noexcept { return crashed_; }

 private:
  void note_start_failure(std::uint32_t slot, Error error);
  void move_opens(std::uint32_t slot);
  /// The error for a worker that exited before it was ready.
  [[nodiscard]] static Error start_error(WorkerLink& link);

  const std::int64_t start_timeout_ns_;
  SlotTable& slots_;
  Roster& roster_;
  Backlog& backlog_;
  Placement& placement_;
  Orphans& orphans_;
  Replies& replies_;
  const Closing& closing_;
  EffectsBox& effects_;
  std::optional<Error> unavailable_;
  std::uint64_t crashed_ = 0;
};

}  // namespace tenon::internal
