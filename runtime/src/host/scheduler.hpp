/// host/scheduler.hpp: which call runs where and when; what becomes of it. No threads and no locks: Pool guards it.
///
/// Everything that is to happen outside the lock (completing futures, writing log lines, starting workers) is gathered
/// in `effects()` and done by the pool once the lock is given up.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <tenon/error.hpp>
#include <tenon/options.hpp>

#include "base/clock.hpp"
#include "host/autopsy.hpp"
#include "host/call.hpp"
#include "host/call_queue.hpp"
#include "host/call_timers.hpp"
#include "host/file_restorer.hpp"
#include "host/slot_table.hpp"
#include "host/trials.hpp"
#include "host/worker_link.hpp"
#include "platform/process_state.hpp"
#include "swap/fleet.hpp"

namespace tenon::internal {

struct SchedulerOptions {
  std::uint32_t workers = 1;
  std::uint32_t cores = 1;  ///< That workers may use.
  std::int64_t cancel_grace_ns = 0;
  std::int64_t start_timeout_ns = 0;
  std::int64_t stall_timeout_ns = 0;      ///< 0: workers that stand still are not replaced.
  std::uint64_t recycle_after_calls = 0;  ///< 0: never.
  bool measures_memory = false;           ///< Whether take_to_measure() names workers.
  /// Workers that there are at most until start_freely(), or until one has failed to start.
  std::uint32_t first_workers = kEveryWorker;
};

/// What is to be done once the lock is given up.
struct Effects {
  struct BulkEnd {
    Shared<const BulkWork> work;
    Shared<BulkAnswers> answers;  ///< What becomes `ends.answers` when they are announced; null when there are none.
    BulkEnds ends;
  };
  std::vector<CallRef> finished;  ///< Their ends are to be announced.
  std::vector<BulkEnd> bulk_ends;
  /// Given back at once, however long the futures are kept; not under the lock.
  std::vector<StoredBytes> released;
  std::vector<LogLine> log;
  /// Links that ended: destroyed outside the lock.
  std::vector<std::shared_ptr<WorkerLink>> buried;
  std::vector<FileRestorer::Request> files;  ///< Workers wait for them.
  bool changed = false;  ///< Someone may wait for what has changed: room, a worker ready, the last one gone.
  bool again = false;    ///< The reactor is to give waiting calls to workers once more.
  bool rearm = false;    ///< The reactor's next deadline has come nearer, or there is something for it to start.
  bool trouble = false;  ///< A call crashed, or a generation is gone: whoever swaps looks at the tallies.

  [[nodiscard]] bool empty() const noexcept {
    return finished.empty() && bulk_ends.empty() && released.empty() && log.empty() && buried.empty() &&
           files.empty() && !changed && !again && !rearm && !trouble;
  }
};

/// Results up to this size are copied, so that a worker's memory is not held by what is small.
inline constexpr std::uint64_t kCopiedResultBytes = 64 * 1024;

class Scheduler {
 public:
  /// `arguments` and `settings` outlive it.
  Scheduler(const SchedulerOptions& options, ArgumentMemory& arguments,
            const std::map<std::string, StoredBytes>& settings);
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  [[nodiscard]] Effects& effects() noexcept { return *effects_; }
  /// Gives out what is to be done, for an empty one in its place.
  [[nodiscard]] std::unique_ptr<Effects> exchange_effects(std::unique_ptr<Effects> empty) noexcept {
    return std::exchange(effects_, std::move(empty));
  }

  // -- calls ----------------------------------------------------------------------------------

  /// Takes a call. It runs, or ends, later.
  void submit(CallRef call);
  /// Takes a call for an idle worker whose completions the calling thread will reap itself. Null when there is none,
  /// or others wait already: submit it then.
  [[nodiscard]] std::shared_ptr<WorkerLink> submit_direct(CallRef call);
  /// Makes the calling thread, which waits for `call`, the one that reaps the completions of the call's worker. Null
  /// when the call is with no worker, or another thread has that role.
  [[nodiscard]] std::shared_ptr<WorkerLink> take_role(const Call& call);
  /// The direct thread looks: reaps, and gives the role back when `call` is done or another worker's. Returns whether
  /// it did; the call's future then says the rest.
  bool reap_direct(WorkerLink& link, const Call& call);
  /// Gives the role back before that.
  void leave_role(WorkerLink& link);
  /// See Future::cancel.
  bool cancel(Call& call);
  /// See Future::cancel_queued.
  bool cancel_queued(Call& call);
  /// See Future::started.
  [[nodiscard]] bool started(const Call& call) const;
  /// Cancels items of a bulk call, wherever they are; the others go on. Their ends come as every item's does.
  void cancel_items(const BulkWork& work, std::uint32_t from, std::uint32_t count);
  void cancel_all();
  /// Cancels what no worker has begun, also what comes back later.
  void cancel_all_queued();
  [[nodiscard]] std::optional<Progress> progress(const Call& call);
  // -- workers --------------------------------------------------------------------------------

  /// From `from_ns` on all workers come up that are wanted; before that no more than SchedulerOptions::first_workers.
  void start_freely(MonotonicNs from_ns);
  /// A slot that is to get a worker now; nullopt when there is none. Marks it as being started.
  [[nodiscard]] std::optional<std::uint32_t> next_start(MonotonicNs now_ns) { return slots_.next_start(now_ns); }
  void started(std::shared_ptr<WorkerLink> link);
  void start_failed(std::uint32_t slot, Error error);
  /// No slot has a worker, and all have failed to get one for too long; nullopt otherwise.
  [[nodiscard]] const std::optional<Error>& unavailable() const noexcept { return unavailable_; }
  [[nodiscard]] std::uint32_t ready_count() const noexcept { return slots_.ready_count(); }
  [[nodiscard]] std::uint32_t link_count() const noexcept { return slots_.worker_count(); }
  [[nodiscard]] WorkerLink* find_link(std::uint64_t id) noexcept { return slots_.find(id); }
  /// A worker slot for a session: the least loaded.
  [[nodiscard]] std::int32_t slot_for_session() const noexcept { return slots_.for_session(); }

  void on_bell(WorkerLink& link);
  /// Acts for the workers that have answers for the reactor although their bells did not ring.
  void on_due_bells();
  void on_exit(WorkerLink& link);
  /// A message of the worker. `resolve` finds the route of a task for a nested call:
  /// in the generation that the worker is bound to, or in the current one when that is null.
  using Resolve = std::function<Result<RouteRef>(std::string_view task, const GenerationRef& bound)>;
  void on_message(WorkerLink& link, BytesView message, const Resolve& resolve);
  /// Ends a worker that broke the protocol.
  void break_link(WorkerLink& link, Error reason);
  void on_timer(MonotonicNs now_ns);
  /// A worker that has stood still for too long.
  struct Stalled {
    std::uint64_t link_id = 0;
    std::int64_t pid = 0;
    bool runs = false;  ///< In a call, which may take that long.
  };
  /// Those found since the last time: whoever asks looks outside the lock whether they are being debugged, and in which
  /// state those are that run.
  [[nodiscard]] std::vector<Stalled> take_stalled();
  // Replacing workers that are worn (scheduler_recycling.cpp).
  struct Measured {
    std::uint64_t link_id = 0;
    std::int64_t pid = 0;
  };
  /// Workers whose memory is to be measured, outside the lock: those that have run something since the last time.
  [[nodiscard]] std::vector<Measured> take_to_measure(MonotonicNs now_ns);
  /// Has the worker replaced by a fresh one: it finishes what it has begun, what it has not begun goes elsewhere.
  void wear_out(WorkerLink& link);
  /// Replaces the workers that are worn out. Returns whether open sessions are to move.
  [[nodiscard]] bool recycle_worn();
  /// Ends such a worker, unless it has moved meanwhile or is being debugged.
  void end_stalled(std::uint64_t link_id, bool debugged);
  /// Ends one that runs a call when it cannot continue: its main thread has ended, or it was found stopped twice.
  void end_stopped(std::uint64_t link_id, const ProcessState& state);
  /// The channel of a worker that lives hung up.
  void end_disconnected(WorkerLink& link);
  void retire(const Retired::Numbers& numbers);
  void flush_outboxes();

  /// No further workers; those idle or done are asked to stop.
  void stop_workers();
  /// Ends every worker at once; open calls end as kCancelled.
  void kill_workers();

  // -- generations (scheduler_generations.cpp) ------------------------------------------------

  /// Ready workers that have a generation of the plugin and take calls of all kinds.
  [[nodiscard]] std::uint32_t workers_with(std::string_view plugin) const noexcept;
  /// Slots beside the others for workers that are to load `generation`; they start soon. For calls of kLoad alone.
  [[nodiscard]] std::vector<std::uint32_t> add_warm_slots(const GenerationRef& generation, std::uint32_t count);
  /// The workers that loaded it take a share of the idempotent calls, or the shadows of calls.
  void begin_trial(const GenerationRef& generation, double share, bool shadow) {
    trials_.begin(generation, share, shadow);
  }
  /// The slot for a shadow of a call; nullopt when it gets none.
  [[nodiscard]] std::optional<std::uint32_t> slot_for_shadow(const Call& call) { return trials_.slot_for_shadow(call); }
  struct Switch {
    GenerationRef to;
    bool keeps_queued = false;
    std::int64_t session_drain_ns = 0;
  };
  /// The workers that loaded `to` take the place of those that have another generation of its plugin, which move aside
  /// and finish. The routes' successors have been set.
  void switch_generation(const Switch& change);
  /// Ends the workers of a generation that is not current, once they have finished.
  void retire_generation(const Generation& generation);
  /// Whether a worker has the generation or is to have it.
  [[nodiscard]] bool has_generation(const Generation& generation) const noexcept;
  void fill_tally(const Generation& generation, GenerationTally& tally) const;
  /// Whether the session's worker has been moved aside.
  [[nodiscard]] bool should_move(const SessionRecord& session) const noexcept;

  /// When on_timer, next_start or flush_outboxes have something to do.
  [[nodiscard]] MonotonicNs next_deadline() const noexcept;

  // -- counts ---------------------------------------------------------------------------------

  [[nodiscard]] std::uint64_t accepted() const noexcept { return accepted_; }
  [[nodiscard]] std::uint64_t accepted_bytes() const noexcept { return accepted_bytes_; }
  void fill_stats(RuntimeStats& stats) const;

 private:
  /// A worker that says its call took longer lies, or its clock does.
  static constexpr std::uint64_t kLongestRunNs = 1'000'000'000'000;

  void accept(const Call& call) noexcept;
  void enqueue(Call& call, bool at_front);
  void dequeue(Call& call) noexcept;
  void finish(CallRef call, Result<Reply> outcome);
  /// The rest of an end, once the outcome is stored.
  void close(CallRef call);
  void finish_error(CallRef call, ErrorCode code, std::string message, const WorkerLink* link = nullptr);
  [[nodiscard]] ErrorContext context_of(const Call& call) const;

  void dispatch();
  /// The worker for a call that may go to any; nullptr when it waits better.
  [[nodiscard]] WorkerLink* choose_link() noexcept;
  [[nodiscard]] bool can_take(const WorkerLink& link) const noexcept;
  /// Puts the link where it belongs on the board, after anything that changes what it has to do or can take.
  void relist(WorkerLink& link);
  [[nodiscard]] Call* next_for(const WorkerLink& link) const noexcept;
  enum class Sent : std::uint8_t { kSent, kEnded, kWaits };
  /// Takes a queued call out of its queue and gives it to the worker. kEnded: it ended instead. kWaits: it stays in the
  /// queue, because there is no room for its argument just now.
  Sent send(WorkerLink& link, Call& call);
  /// Makes the worker's descriptor of a call, and tells the worker what it refers to.
  [[nodiscard]] SubmissionDescriptor describe(WorkerLink& link, Call& call);
  /// Gives an argument that is private a place for workers. False: not now. Errors: those of ArgumentMemory::store.
  [[nodiscard]] Result<bool> place_argument(const WorkerLink& link, Call& call);
  void publish();
  void take_reaper(WorkerLink& link);
  /// Asks the task that runs `call`, or the item of it that is running, to stop.
  void stop_running(WorkerLink& link, const Call& call);
  /// Takes a sent call back into the queue; false when it runs, or the worker will say whether it does.
  bool move_back(WorkerLink& link, Call& call);
  void steal_for(WorkerLink& link);
  void steal_from(WorkerLink& victim);
  /// Takes items of the bulk call that a worker runs back into the queue, when they have waited for long.
  void split_running(WorkerLink& link);
  void take_back_lower(int priority);
  /// Takes a sent call back from its worker; false when the worker has it or will say so.
  bool take_back(WorkerLink& link, Call& call);
  /// Removes a call that was taken back from its worker's list, for its end.
  [[nodiscard]] CallRef take_out(WorkerLink& link, const Call& call);

  /// Takes what the worker has answered. Returns how many answers that was.
  std::size_t reap(WorkerLink& link);
  /// The same where calls that wait are not given out afterwards: the reactor does so then.
  void reap_aside(WorkerLink& link);
  /// Reaps one worker after another, a step each time, for a submitter that finds all rings full.
  void reap_round();
  void ensure_reaper(WorkerLink& link);
  /// What a ring asks for: takes the answers and arms the bell anew.
  void take_rung(WorkerLink& link);
  void set_streaming(WorkerLink& link, bool streaming) noexcept;
  void on_tick(MonotonicNs now_ns);
  /// Takes answers whose bell did not ring, and ends workers that have lost theirs.
  void check_bells(MonotonicNs now_ns);
  /// Takes back what waits behind the call or item that a worker runs, for others.
  void relieve(WorkerLink& link);
  void complete(WorkerLink& link, const Completion& completion);
  void complete_returned(CallRef call);
  /// Stores the end of a plain call. Errors: those of SegmentTable::resolve, for an invalid answer.
  [[nodiscard]] Result<void> store_end(WorkerLink& link, Call& call, const Completion& completion);
  [[nodiscard]] static std::string message_of(BytesView bytes);
  [[nodiscard]] Error error_of(const Call& call, ErrorCode code, std::string message);

  // Workers that stand still (scheduler_stalls.cpp).
  void start_looking();
  [[nodiscard]] WorkerSight sight_of(const WorkerLink& link) const noexcept;
  void look_for_stalls(MonotonicNs now_ns);
  /// Gives the worker nothing more until it moves, if there is another one.
  void suspect(WorkerLink& link);
  /// Ends a worker for a reason that its calls report.
  void end_for(WorkerLink& link, std::string reason);
  /// The same for one that has not begun a call in its time, should it stand still.
  void suspect_at_once(WorkerLink& link);
  void trust_again(WorkerLink& link);
  /// Takes back what the worker has not begun, the front one included.
  void relieve_stalled(WorkerLink& link, bool pinned_too);

  // Generations (scheduler_generations.cpp).
  void free_extra_slot(std::uint32_t index);
  /// Moves a worker with all that is its own to another slot, which has none.
  void relocate(std::uint32_t from, std::uint32_t to);
  [[nodiscard]] std::uint32_t move_aside(std::uint32_t primary, GenerationRef generation);
  /// Asks for everything back that a worker has not begun.
  void take_back_all(WorkerLink& link);
  /// Cancels what tells a worker to load a generation: one that hangs there is killed after the grace.
  void cancel_loads(WorkerLink& link);
  /// Tells a worker that was moved aside to end, once it has nothing left.
  void dismiss_if_done(WorkerLink& link);
  void dismiss(WorkerLink& link);
  void end_overstayed(WorkerLink& link, MonotonicNs now_ns);
  /// Where a call that has not begun is to run: the newest generation that may have it.
  const RouteRef& follow_route(Call& call);
  /// A queued call that `link` must not take goes to a worker at the side that has its generation: the generation was
  /// replaced by one that might not understand the call, or its libraries clash with what the worker has. Returns
  /// whether the call went there.
  [[nodiscard]] bool keep_apart(const WorkerLink& link, Call& call);
  /// Before a call is queued: the slot it is bound to may have changed. False: it can run nowhere.
  [[nodiscard]] bool place_pinned(Call& call);
  [[nodiscard]] WorkerLink* link_of(const SessionRecord& session) const noexcept;
  [[nodiscard]] Error lost_session_error(const Call& call) const;
  void count_crash(const Call& call);

  // Bulk calls (scheduler_bulk.cpp).
  static void link_part(Call& call) noexcept;
  static void unlink_part(Call& call) noexcept;
  void cancel_part(Call& part);
  /// Puts a call back at the front of its queue. Items of a bulk call that have been cancelled meanwhile end.
  void requeue(CallRef call);
  void complete_bulk(WorkerLink& link, CallRef call, const Completion& completion);
  /// Ends the first `count` items that the call still has, all with one error.
  void fail_items(Call& call, std::uint32_t count, const Error& error);
  /// Ends items that ran, up to `done` of those submitted last, as the worker's answer block says. Errors: kCorrupt the
  /// answers are nonsense.
  [[nodiscard]] Result<void> end_items(WorkerLink& link, Call& call, std::uint32_t done, const BlockRef& answers,
                                       std::int64_t mean_run_ns);
  void note_end(Call& call, std::uint32_t count, Effects::BulkEnd end);
  /// A further call with the items from index `from` on, which `call` then has no more.
  [[nodiscard]] CallRef split_items(Call& call, std::uint32_t from);
  /// Takes back what has not begun of a bulk call that runs; null when there is nothing.
  [[nodiscard]] CallRef take_items_back(WorkerLink& link, Call& call);
  /// Counts calls that a worker has run; see recycle_after_calls.
  void note_wear(WorkerLink& link, std::uint64_t calls) {
    link.calls_worn += calls;
    if (options_.recycle_after_calls != 0 && link.calls_worn >= options_.recycle_after_calls) {
      wear_out(link);
    }
  }
  /// Whether the worker has as many calls as it may run until it is replaced.
  [[nodiscard]] bool is_worn(const WorkerLink& link) const noexcept {
    return link.worn || (options_.recycle_after_calls != 0 &&
                         link.calls_worn + link.in_flight.size() >= options_.recycle_after_calls);
  }
  /// Ends the items that are done of a bulk call that still runs.
  void harvest(WorkerLink& link);
  /// What becomes of a bulk call that was running when its worker died.
  void recover_items(WorkerLink& link, CallRef call, std::uint64_t position, const Autopsy& autopsy);
  /// The same when it is not known how far the worker came.
  void recover_unknown_items(WorkerLink& link, CallRef call, const Autopsy& autopsy);
  /// `copied_bytes` counts what has been copied for the same bulk call.
  [[nodiscard]] Result<StoredBytes> lease_result(WorkerLink& link, const BlockRef& block, const GenerationRef& made_by,
                                                 std::uint64_t& copied_bytes);
  void begin_next(WorkerLink& link);
  void bury(WorkerLink& link);
  /// What becomes of a call that was in the ring of a worker that died.
  void settle_orphan(WorkerLink& link, CallRef call, std::uint64_t position, const Autopsy& autopsy);
  /// The call, or the one item, that the worker was running. `repeatable`: it has called nothing that must not run
  /// twice.
  void retry_or_crash(WorkerLink& link, CallRef call, bool repeatable);
  /// Kills a worker whose answer to `call`, which is no longer in flight, is invalid. What the worker did with the call
  /// is as unknown as after a crash in it.
  void handle_invalid_reply(WorkerLink& link, CallRef call, std::uint64_t position, Error reason);
  /// Why a call ends that its worker may have run.
  [[nodiscard]] Error unknown_error(const WorkerLink& link, const Call& call) const;
  void fail_sessions(std::uint64_t link_id, std::uint32_t slot);
  void fail_queued(const Error& error);
  void fail_all(const CallQueue& queue, const Error& error);
  void note_start_failure(std::uint32_t slot, Error error);
  void warn(const WorkerLink& link, std::string message);

  void set_timer(Call& call);
  void on_call_timer(Call& call, MonotonicNs now_ns);
  void ask_to_stop(WorkerLink& link, Call& call, StopReason reason);
  /// Whether the worker of a call that was sent has begun it, or may have.
  [[nodiscard]] bool has_begun(const Call& call) const;
  /// Those that workers have, of each worker the last one first: so that what has not begun can be taken before the
  /// worker comes to it.
  [[nodiscard]] std::vector<CallRef> sent_calls() const;

  SchedulerOptions options_;
  ArgumentMemory& arguments_;
  const std::map<std::string, StoredBytes>& settings_;
  std::unique_ptr<Effects> effects_ = std::make_unique<Effects>();
  SlotTable slots_;
  Trials trials_{slots_};
  LinkBoard board_;
  std::vector<WorkerLink*> unpublished_;  // Something was pushed in this round.
  CallQueue queue_;
  // How long half of the calls take at most, by those that ended lately on any worker; 0 before the first. A mean would
  // be that of a few whose worker had to wait for a core.
  std::int64_t median_run_ns_ = 0;
  std::uint32_t streaming_links_ = 0;
  MonotonicNs next_tick_ns_ = kNever;
  MonotonicNs next_bell_check_ns_ = kNever;  // While a bell is armed.
  std::vector<std::uint64_t> due_;           // Links that the reactor is to come to without a ring, by id.
  MonotonicNs next_look_ns_ = kNever;        // For workers that stand still.
  std::uint64_t submitted_at_look_ = 0;
  std::vector<Stalled> stalled_;
  std::vector<std::uint64_t> worn_;  // Links that are to be replaced.
  MonotonicNs next_measure_ns_ = 0;  // Of the workers' memory.
  std::size_t reap_cursor_ = 0;
  CallTimers timers_;
  std::set<int> priorities_;  // Seen so far, the first few: more than one makes prefetched calls worth a look.
  std::optional<Error> unavailable_;
  MonotonicNs starved_since_ns_ = kNever;  // No descriptors for an argument, and no call in flight that holds some.
  MonotonicNs retry_place_ns_ = kNever;
  bool stopping_ = false;
  bool killing_ = false;
  bool takes_back_ = true;  // False: what comes back without having begun ends as cancelled.

  std::uint64_t accepted_ = 0;
  std::uint64_t accepted_bytes_ = 0;
  std::uint64_t submitted_ = 0;
  std::uint64_t succeeded_ = 0;
  std::uint64_t failed_ = 0;
  std::uint64_t crashed_workers_ = 0;
};

}  // namespace tenon::internal
