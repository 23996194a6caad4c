/// host/slot_table.hpp: the numbered positions of a pool, which stay when their workers are replaced.
///
///   SlotTable slots({.primary_slots = 4, .start_patience_ns = start_timeout_ns});
///   if (auto slot = slots.next_start(now_ns)) start_a_worker(*slot);
///   slots.put(link);                                       // the worker that was started for link->slot
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "host/call_queue.hpp"
#include "host/start_history.hpp"
#include "host/worker_link.hpp"
#include "swap/generation.hpp"

namespace tenon::internal {

/// No limit on the number of workers that start.
inline constexpr std::uint32_t kEveryWorker = std::numeric_limits<std::uint32_t>::max();

/// What a slot is for.
enum class SlotRole : std::uint8_t {
  kPrimary,  ///< Takes calls of all kinds; a worker that exits is replaced.
  kFree,     ///< Unused; may be occupied again.
  kWarm,     ///< For a worker that loads its generation, once.
  kTrial,    ///< Has loaded its generation and takes only calls assigned to it.
  kAside,    ///< Was moved aside: finishes its own calls and sessions, then stops.
};

/// One slot, as SlotTable shows it.
struct WorkerSlot {
  std::shared_ptr<WorkerLink> link;  ///< Null while it has no worker.
  CallQueue pinned;                  ///< Calls that only this slot may run.
  SlotRole role = SlotRole::kFree;
  bool starting = false;
  bool started_once = false;  ///< For kWarm: its worker has been started.
  StartHistory starts;
  GenerationRef generation;  ///< What the slot is for; null for kPrimary and kFree.

  /// Whether it is a slot that does not take calls of all kinds.
  [[nodiscard]] bool is_extra() const noexcept { return role != SlotRole::kPrimary; }
  /// Its worker if that takes calls; null otherwise.
  [[nodiscard]] WorkerLink* ready_link() const noexcept {
    return link != nullptr && link->state == WorkerLink::State::kReady ? link.get() : nullptr;
  }
};

struct SlotTableOptions {
  std::uint32_t primary_slots = 1;
  /// Maximum number of workers until start_freely(), or until one has failed to start.
  std::uint32_t first_workers = kEveryWorker;
  /// How long the calls of a slot wait for a worker that cannot be started.
  std::int64_t start_patience_ns = 0;
};

/// The slot for a key, among those that take calls of all kinds: always the same one.
[[nodiscard]] std::int32_t slot_of_key(const std::string& key, std::uint32_t primary_slots) noexcept;

/// The first slots are always kPrimary; others are appended as they are needed. A slot never moves in memory.
/// Decides which slot gets a worker next. Not thread-safe: guarded by the scheduler's lock.
class SlotTable {
 public:
  explicit SlotTable(const SlotTableOptions& options);

  // -- the slots ------------------------------------------------------------------------------

  [[nodiscard]] std::uint32_t size() const noexcept { return static_cast<std::uint32_t>(slots_.size()); }
  [[nodiscard]] std::uint32_t primary_count() const noexcept { return options_.primary_slots; }
  [[nodiscard]] const WorkerSlot& operator[](std::size_t slot) const noexcept { return slots_[slot]; }
  [[nodiscard]] const WorkerSlot& of(const WorkerLink& link) const noexcept { return slots_[link.slot]; }
  [[nodiscard]] auto begin() const noexcept { return slots_.begin(); }
  [[nodiscard]] auto end() const noexcept { return slots_.end(); }

  /// The worker with this id; null if it is gone.
  [[nodiscard]] WorkerLink* find(std::uint64_t link_id) const noexcept;
  /// Number of ready workers that take calls of all kinds.
  [[nodiscard]] std::uint32_t ready_count() const noexcept;
  /// Number of workers, including those being started.
  [[nodiscard]] std::uint32_t worker_count() const noexcept;
  /// A slot for a session: the least loaded. A slot whose worker is still to start is better than one with a session:
  /// sessions last, and a worker starts within a millisecond.
  [[nodiscard]] std::int32_t for_session() const noexcept;

  // -- calls that are bound to a slot -----------------------------------------------------------

  /// Queues a call in its slot (CallDetails::pinned_slot), behind or in front of the other calls of its priority.
  void push(Call& call, bool at_front);
  void remove(Call& call) noexcept;
  /// Number of calls that wait in all slots.
  [[nodiscard]] std::size_t pinned_calls() const noexcept { return pinned_calls_; }

  // -- starts -----------------------------------------------------------------------------------

  /// A slot that should get a worker now; nullopt if there is none. The slot counts as starting until put() or
  /// end_start(). Slots take turns: workers that exit as soon as they have started must not keep others from starting.
  [[nodiscard]] std::optional<std::uint32_t> next_start(MonotonicNs now_ns);
  /// When next_start() has a slot; kNever while no start is due.
  [[nodiscard]] MonotonicNs next_start_ns() const noexcept;
  /// From `from_ns` on, all wanted workers start. Returns whether there are any.
  bool start_freely(MonotonicNs from_ns);
  /// Starts no further workers.
  void stop_starts() noexcept { stopped_ = true; }
  /// The start has failed.
  void end_start(std::uint32_t slot) noexcept { slots_[slot].starting = false; }

  enum class AfterFailure : std::uint8_t {
    kTryAgain,
    kSlotGivenUp,  ///< Calls that only this slot may run should not wait any longer.
    kAllGivenUp,   ///< No slot has a worker, and all starts have failed for too long.
  };
  [[nodiscard]] AfterFailure note_start_failure(std::uint32_t slot, MonotonicNs now_ns);
  /// Whether the calls of the slot should not wait for a worker any longer. Calls wait out a short lack of workers,
  /// except in a runtime that has never had a worker: its start reports the reason.
  [[nodiscard]] bool given_up(const WorkerSlot& slot, MonotonicNs now_ns) const noexcept;
  void note_ready(std::uint32_t slot) noexcept;
  void note_answer(std::uint32_t slot) noexcept { slots_[slot].starts.note_answer(); }
  /// The slot's worker has exited after it had been ready. `useless`: it never completed anything.
  void note_exit(std::uint32_t slot, bool useless, MonotonicNs now_ns) noexcept;

  // -- workers and roles ------------------------------------------------------------------------

  /// Puts the worker that was started for link->slot into that slot.
  void put(std::shared_ptr<WorkerLink> link);
  /// Takes the worker out of its slot.
  [[nodiscard]] std::shared_ptr<WorkerLink> take(std::uint32_t slot) noexcept;
  /// Moves a worker to another slot, which has none. Its calls stay where they are.
  void move(std::uint32_t from, std::uint32_t to) noexcept;
  /// Occupies a free slot with the role kWarm or kAside.
  [[nodiscard]] std::uint32_t occupy(SlotRole role, GenerationRef generation);
  /// Frees a slot that has no worker, is not being started, and in which nothing waits.
  void free(std::uint32_t slot) noexcept;
  /// The slots that loaded the generation are on trial from now on.
  void begin_trial(const Generation& generation) noexcept;
  /// Makes a slot that loaded a generation finish its own calls and then stop.
  void set_aside(std::uint32_t slot) noexcept;

 private:
  [[nodiscard]] static std::size_t load_of(const WorkerSlot& slot) noexcept;
  [[nodiscard]] bool wants_start(const WorkerSlot& slot) const noexcept;
  [[nodiscard]] bool may_start() const noexcept;

  SlotTableOptions options_;
  std::deque<WorkerSlot> slots_;  // A deque, because it grows while references to slots are held.
  std::size_t pinned_calls_ = 0;
  std::size_t start_cursor_ = 0;
  bool ever_ready_ = false;
  bool stopped_ = false;
};

}  // namespace tenon::internal
