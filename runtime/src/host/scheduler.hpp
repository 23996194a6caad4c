/// host/scheduler.hpp: decides which call runs where and when, and what happens to it afterwards. Has no threads and no
/// locks: Pool guards it.
///
/// The work is done by the parts below, each of which owns its data; see DESIGN.md, "The scheduler". The scheduler
/// itself only makes them work together: it decides what a submission, a bell, an exit or a timer causes, and in which
/// order.
///
/// Everything that must happen outside the lock (completing futures, writing log lines, starting workers) is gathered
/// in `effects()`; the pool does it once the lock is released.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <tenon/error.hpp>
#include <tenon/options.hpp>

#include "base/clock.hpp"
#include "host/backlog.hpp"
#include "host/bulk_scheduler.hpp"
#include "host/call.hpp"
#include "host/call_ledger.hpp"
#include "host/call_limits.hpp"
#include "host/call_timers.hpp"
#include "host/closing.hpp"
#include "host/dispatcher.hpp"
#include "host/effects.hpp"
#include "host/generation_workers.hpp"
#include "host/orphans.hpp"
#include "host/placement.hpp"
#include "host/recall.hpp"
#include "host/replies.hpp"
#include "host/roster.hpp"
#include "host/sent_calls.hpp"
#include "host/slot_table.hpp"
#include "host/stalls.hpp"
#include "host/trials.hpp"
#include "host/wear_watch.hpp"
#include "host/worker_link.hpp"
#include "host/worker_lives.hpp"
#include "host/worker_messages.hpp"

namespace tenon::internal {

struct SchedulerOptions {
  std::uint32_t workers = 1;
  std::uint32_t cores = 1;  ///< Number of cores that workers may use.
  std::int64_t cancel_grace_ns = 0;
  std::int64_t start_timeout_ns = 0;
  std::int64_t stall_timeout_ns = 0;      ///< 0: stalled workers are not replaced.
  std::uint64_t recycle_after_calls = 0;  ///< 0: never.
  bool measures_memory = false;           ///< Whether WearWatch::take_to_measure names workers.
  /// Maximum number of workers until start_freely(), or until one has failed to start.
  std::uint32_t first_workers = kEveryWorker;
};

class Scheduler {
 public:
  /// `arguments` and `settings` outlive it.
  Scheduler(const SchedulerOptions& options, ArgumentMemory& arguments, const WorkerMessages::Settings& settings);
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  [[nodiscard]] Effects& effects() noexcept { return *effects_; }
  /// Returns the gathered effects and continues with `empty`.
  [[nodiscard]] std::unique_ptr<Effects> exchange_effects(std::unique_ptr<Effects> empty) noexcept {
    return effects_.exchange(std::move(empty));
  }

  // -- its parts --------------------------------------------------------------------------------

  [[nodiscard]] const CallLedger& ledger() const noexcept { return ledger_; }
  [[nodiscard]] const SlotTable& slots() const noexcept { return slots_; }
  [[nodiscard]] Trials& trials() noexcept { return trials_; }
  [[nodiscard]] WearWatch& wear() noexcept { return wear_; }
  [[nodiscard]] Roster& roster() noexcept { return roster_; }
  [[nodiscard]] const SentCalls& sent() const noexcept { return sent_; }
  [[nodiscard]] const Placement& placement() const noexcept { return placement_; }
  [[nodiscard]] Stalls& stalls() noexcept { return stalls_; }
  [[nodiscard]] CallLimits& limits() noexcept { return limits_; }
  [[nodiscard]] WorkerLives& lives() noexcept { return lives_; }
  [[nodiscard]] GenerationWorkers& generations() noexcept { return generations_; }

  // -- calls ----------------------------------------------------------------------------------

  /// Accepts a call. It runs or ends later.
  void submit(CallRef call);
  /// Accepts calls linked by Call::next, and takes over their references.
  void submit_all(Call* first);
  /// Accepts a call and ends it at once.
  void refuse(CallRef call, ErrorCode code, std::string message);
  /// Ends a call for which there was no memory, unless it is already queued.
  void end_without_memory(CallRef call) noexcept;
  /// Sends a call to an idle worker whose completions the calling thread will reap itself. Null if no worker is idle or
  /// other calls are waiting: use submit then.
  [[nodiscard]] std::shared_ptr<WorkerLink> submit_direct(CallRef call);
  /// Cancels items of a bulk call, wherever they are; the others continue. Each of them ends like any other item.
  void cancel_items(const BulkWork& work, std::uint32_t from, std::uint32_t count);
  /// Cancels the calls that no worker has begun, including those that come back later.
  void cancel_all_queued();

  // -- the reaper's role ------------------------------------------------------------------------

  /// Makes the calling thread, which waits for `call`, the reaper of the call's worker. Null if no worker has the call,
  /// or another thread has that role.
  [[nodiscard]] std::shared_ptr<WorkerLink> take_role(const Call& call);
  /// Called by the thread that has the role: reaps, and gives the role back once `call` is done or has moved to another
  /// worker. Returns whether it gave the role back; the call's future then has the outcome, or the call is elsewhere.
  bool reap_direct(WorkerLink& link, const Call& call);
  /// Gives the role back early.
  void leave_role(WorkerLink& link);

  // -- what the reactor sees --------------------------------------------------------------------

  /// From `from_ns` on, all wanted workers start; before that, at most SchedulerOptions::first_workers.
  void start_freely(MonotonicNs from_ns);
  /// A slot that should get a worker now; nullopt if there is none. Marks the slot as starting.
  [[nodiscard]] std::optional<std::uint32_t> next_start(MonotonicNs now_ns) { return slots_.next_start(now_ns); }
  void on_bell(WorkerLink& link);
  /// Serves the workers whose replies the reactor must read although their bells did not ring.
  void on_due_bells();
  void on_exit(WorkerLink& link);
  /// Handles a message of the worker.
  void on_message(WorkerLink& link, BytesView message, const WorkerMessages::Resolve& resolve);
  void on_timer(MonotonicNs now_ns);
  /// When on_timer, SlotTable::next_start or flush_outboxes next have work.
  [[nodiscard]] MonotonicNs next_deadline() const noexcept;
  void retire(const Retired::Numbers& numbers);
  void flush_outboxes();

  /// Starts no further workers, and asks idle workers and those that finish to stop.
  void stop_workers();
  /// Kills all workers at once; open calls end as kCancelled.
  void kill_workers();

  void fill_stats(RuntimeStats& stats) const;

 private:
  /// Queues a call, or ends it.
  void accept(CallRef call);
  /// Sends queued calls to the workers.
  void serve_queue();
  void take_reaper(WorkerLink& link);
  /// Handles a ring: takes the replies and arms the bell again.
  void take_rung(WorkerLink& link);
  /// Reaps one worker at each call, in turn, for a submitter that finds all rings full.
  void reap_round();
  void on_tick(MonotonicNs now_ns);
  /// Takes replies whose bell did not ring, and kills workers that no longer ring.
  void check_bells(MonotonicNs now_ns);
  /// Acts on the expired deadlines of one worker.
  void check_deadlines(WorkerLink& link, MonotonicNs now_ns);
  /// Treats killed workers that have not exited in time as gone.
  void give_up_lost(MonotonicNs now_ns);
  void bury(WorkerLink& link);

  // Each part uses only parts that stand before it.
  EffectsBox effects_;
  Closing closing_;
  CallTimers timers_;
  SlotTable slots_;
  Trials trials_;
  WearWatch wear_;
  CallLedger ledger_;
  Backlog backlog_;
  Roster roster_;
  SentCalls sent_;
  Recall recall_;
  BulkScheduler bulk_;
  Orphans orphans_;
  Replies replies_;
  Stalls stalls_;
  Placement placement_;
  WorkerMessages messages_;
  Dispatcher dispatcher_;
  CallLimits limits_;
  WorkerLives lives_;
  GenerationWorkers generations_;
};

}  // namespace tenon::internal
