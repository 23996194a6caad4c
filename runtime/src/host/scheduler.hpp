/// host/scheduler.hpp: which call runs where and when; what becomes of it. No threads and no locks: Pool guards it.
///
/// Everything that is to happen outside the lock (completing futures, writing log lines, starting workers) is gathered
/// in `effects()` and done by the pool once the lock is given up.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <tenon/error.hpp>
#include <tenon/runtime.hpp>

#include "base/clock.hpp"
#include "host/call.hpp"
#include "host/call_queue.hpp"
#include "host/worker_link.hpp"

namespace tenon::internal {

struct SchedulerOptions {
  std::uint32_t workers = 1;
  std::int64_t cancel_grace_ns = 0;
  std::int64_t start_timeout_ns = 0;
  bool copy_results = false;
  /// Calls given to a worker ahead of the one it runs, at most. They can be taken back.
  std::uint32_t prefetch = 32;
};

/// What is to be done once the lock is given up.
struct Effects {
  struct Finished {
    CallRef call;
    Result<Reply> outcome;
    // Given back at once, however long the future is kept; not under the lock.
    StoredBytes argument = {};
    StoredBytes checkpoint = {};
  };
  std::vector<Finished> finished;
  std::vector<LogLine> log;
  /// Links that ended: destroyed outside the lock.
  std::vector<std::shared_ptr<WorkerLink>> buried;
  bool changed = false;  ///< Someone may wait for what has changed: room, a worker ready, the last one gone.
  bool rearm = false;    ///< The reactor's next deadline has come nearer, or there is something for it to start.
};

class Scheduler {
 public:
  /// `arguments` and `settings` outlive it.
  Scheduler(const SchedulerOptions& options, ArgumentMemory& arguments,
            const std::map<std::string, StoredBytes>& settings);

  [[nodiscard]] Effects& effects() noexcept { return effects_; }

  // -- calls ----------------------------------------------------------------------------------

  /// Takes a call. It runs, or ends, later.
  void submit(CallRef call);
  /// Takes a call for an idle worker whose completions the calling thread will reap itself. Null when there is none,
  /// or others wait already: submit it then.
  [[nodiscard]] std::shared_ptr<WorkerLink> submit_direct(CallRef call);
  /// The direct thread looks: reaps, and gives the role back when `call` is done or another worker's. Returns whether
  /// it did; the call's future then says the rest.
  bool reap_direct(WorkerLink& link, const Call& call);
  /// See Future::cancel.
  bool cancel(Call& call);
  void cancel_all();
  [[nodiscard]] std::optional<Progress> progress(const Call& call);
  /// A worker slot for a key, or for a session: the least loaded.
  [[nodiscard]] std::int32_t slot_of_key(const std::string& key) const noexcept;
  [[nodiscard]] std::int32_t slot_for_session() const noexcept;

  // -- workers --------------------------------------------------------------------------------

  /// A slot that is to get a worker now; nullopt when there is none. Marks it as being started.
  [[nodiscard]] std::optional<std::uint32_t> next_start(MonotonicNs now_ns);
  void started(std::shared_ptr<WorkerLink> link);
  void start_failed(std::uint32_t slot, Error error);
  /// Every slot has tried and failed at least once and none is ready.
  [[nodiscard]] const std::optional<Error>& unavailable() const noexcept { return unavailable_; }
  [[nodiscard]] std::uint32_t ready_count() const noexcept;
  [[nodiscard]] std::uint32_t link_count() const noexcept;
  [[nodiscard]] WorkerLink* find_link(std::uint64_t id) noexcept;

  void on_bell(WorkerLink& link);
  void on_exit(WorkerLink& link);
  /// A message of the worker. `resolve` finds the route of a task for a nested call.
  using Resolve = std::function<Result<std::shared_ptr<const HostRoute>>(std::string_view task)>;
  void on_message(WorkerLink& link, const ControlMessage& message, const Resolve& resolve);
  void on_timer(MonotonicNs now_ns);
  void retire(const Retired::Numbers& numbers);
  void flush_outboxes();

  /// No further workers; those idle or done are asked to stop.
  void stop_workers();
  /// Ends every worker at once; open calls end as kCancelled.
  void kill_workers();

  /// When on_timer, next_start or flush_outboxes have something to do.
  [[nodiscard]] MonotonicNs next_deadline() const noexcept;

  // -- counts ---------------------------------------------------------------------------------

  [[nodiscard]] std::uint64_t accepted() const noexcept { return accepted_; }
  [[nodiscard]] std::uint64_t accepted_bytes() const noexcept { return accepted_bytes_; }
  void fill_stats(RuntimeStats& stats) const;

 private:
  struct Slot {
    std::shared_ptr<WorkerLink> link;
    CallQueue pinned;
    bool starting = false;
    std::uint32_t failures = 0;  ///< Starts that failed, one after another.
    MonotonicNs next_start_ns = 0;
  };

  void enqueue(Call& call, bool at_front);
  void dequeue(Call& call) noexcept;
  void finish(CallRef call, Result<Reply> outcome);
  void finish_error(CallRef call, ErrorCode code, std::string message, const WorkerLink* link = nullptr);
  [[nodiscard]] ErrorContext context_of(const Call& call) const;

  void dispatch();
  [[nodiscard]] bool can_take(const WorkerLink& link) const noexcept;
  [[nodiscard]] WorkerLink* least_loaded() const noexcept;
  [[nodiscard]] Call* next_for(const WorkerLink& link) const noexcept;
  enum class Sent : std::uint8_t { kSent, kEnded, kWaits };
  /// Takes a queued call out of its queue and gives it to the worker. kEnded: it ended instead. kWaits: it stays in the
  /// queue, because there is no room for its argument just now.
  Sent send(WorkerLink& link, Call& call);
  /// Gives an argument that is private a place for workers. False: not now. Errors: those of ArgumentMemory::store.
  [[nodiscard]] Result<bool> place_argument(const WorkerLink& link, Call& call);
  void publish();
  void steal_for(WorkerLink& link);
  void take_back_lower(int priority);
  /// Takes a sent call back from its worker; false when the worker has it or will say so.
  bool take_back(WorkerLink& link, Call& call);
  /// Removes a call that was taken back from its worker's list, for its end.
  [[nodiscard]] CallRef take_out(WorkerLink& link, const Call& call);

  void reap(WorkerLink& link);
  void ensure_reaper(WorkerLink& link);
  void complete(WorkerLink& link, const Completion& completion);
  [[nodiscard]] Result<Reply> make_reply(WorkerLink& link, const Call& call, const Completion& completion);
  void begin_next(WorkerLink& link);
  void bury(WorkerLink& link);
  void break_link(WorkerLink& link, Error reason);
  void retry_or_crash(WorkerLink& link, CallRef call, const ExitStatus& status);
  void fail_sessions(std::uint64_t link_id, std::uint32_t slot);
  void fail_queued(const Error& error);
  void fail_all(CallQueue& queue, const Error& error);
  void note_start_failure(Slot& slot, Error error);
  void warn(const WorkerLink& link, std::string message);

  void set_timer(Call& call);
  void clear_timer(Call& call) noexcept;
  void on_call_timer(Call& call, MonotonicNs now_ns);
  void ask_to_stop(WorkerLink& link, Call& call, StopReason reason);

  SchedulerOptions options_;
  ArgumentMemory& arguments_;
  const std::map<std::string, StoredBytes>& settings_;
  Effects effects_;
  std::vector<Slot> slots_;
  CallQueue queue_;
  std::size_t pinned_calls_ = 0;
  std::set<std::pair<MonotonicNs, Call*>> timers_;
  std::set<int> priorities_;  // Seen so far, the first few: more than one makes prefetched calls worth a look.
  std::optional<Error> unavailable_;
  MonotonicNs starved_since_ns_ = kNever;  // No descriptors for an argument, and no call in flight that holds some.
  MonotonicNs retry_place_ns_ = kNever;
  bool stopping_ = false;
  bool killing_ = false;

  std::uint64_t accepted_ = 0;
  std::uint64_t accepted_bytes_ = 0;
  std::uint64_t submitted_ = 0;
  std::uint64_t succeeded_ = 0;
  std::uint64_t failed_ = 0;
  std::uint64_t crashed_workers_ = 0;
};

}  // namespace tenon::internal
