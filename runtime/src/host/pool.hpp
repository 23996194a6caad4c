/// host/pool.hpp: the threads around the scheduler: callers, and one reactor that serves the workers. See DESIGN.md.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <utility>

#include <tenon/catalog.hpp>
#include <tenon/error.hpp>
#include <tenon/options.hpp>

#include "base/guarded.hpp"
#include "base/unique_id.hpp"
#include "host/call.hpp"
#include "host/call_factory.hpp"
#include "host/file_restorer.hpp"
#include "host/intake.hpp"
#include "host/kept_catalog.hpp"
#include "host/launcher.hpp"
#include "host/lock_order.hpp"
#include "host/output_reader.hpp"
#include "host/routing_table.hpp"
#include "host/scheduler.hpp"
#include "host/storage.hpp"
#include "host/swap_hooks.hpp"
#include "platform/reactor/poller.hpp"
#include "platform/thread.hpp"
#include "swap/fleet.hpp"

namespace tenon::internal {

class SessionHandle;

/// A running pool of workers. [any-thread]
class Pool : public std::enable_shared_from_this<Pool> {
 public:
  /// Starts the workers and the reactor, opens the catalog while they come up, and returns when the first worker is
  /// ready. Errors: see Runtime::start; those of `open_catalog`.
  [[nodiscard]] static Result<std::shared_ptr<Pool>> start(const RuntimeOptions& options,
                                                           const std::function<Result<OpenedCatalog>()>& open_catalog,
                                                           std::unique_ptr<Launcher> launcher);
  ~Pool();

  /// The catalog by which calls are routed now.
  [[nodiscard]] Catalog catalog() const { return routing_.catalog(); }
  [[nodiscard]] std::uint32_t worker_count() const noexcept { return workers_; }
  [[nodiscard]] std::uint64_t max_queued_calls() const noexcept { return max_queued_calls_; }
  [[nodiscard]] RuntimeStats stats();

  /// The route of a task with params. Errors: kNotFound; kInvalidArgument: params for a task that has none.
  [[nodiscard]] Result<RouteRef> route(std::string_view task, BytesView params) { return routing_.route(task, params); }
  /// Creates the calls for submit, run and submit_bulk.
  [[nodiscard]] CallFactory& calls() noexcept { return calls_; }

  /// Runs a call; its future always completes. May wait for room in the queue.
  void submit(CallRef call);
  /// Runs a call and waits for it; if a worker is idle, no other thread is involved.
  [[nodiscard]] Result<Reply> run(CallRef call);
  /// Reaps completions on the calling thread, which waits for `call`, until the call is done, another thread reaps
  /// them, or the deadline has passed.
  void drive(Call& call, MonotonicNs deadline_ns);
  /// Runs the items of a bulk call; `work` notifies its sink of the end of each. May wait for room in the queue.
  /// Errors: the call is refused, and the sink is not notified.
  [[nodiscard]] Result<CallRef> submit_bulk(const Shared<const BulkWork>& work, const CallOptions& options);
  bool cancel(Call& call);
  /// See Future::cancel_queued and Future::started.
  bool cancel_queued(Call& call);
  [[nodiscard]] bool started(const Call& call);
  /// Ends the items of a bulk call that have not begun, and asks the running one to stop; the others continue.
  void cancel_items(const BulkWork& work, std::uint32_t from, std::uint32_t count);
  [[nodiscard]] std::optional<Progress> progress(const Call& call);
  [[nodiscard]] std::int32_t slot_for_session();
  [[nodiscard]] std::uint64_t next_session_id() noexcept { return session_ids_.next(); }
  /// Whether the worker of a session has been moved aside, so that the session should be reopened elsewhere.
  [[nodiscard]] bool should_move(const SessionRecord& session) {
    return scheduler_.lock()->placement().should_move(session);
  }
  /// Registers a session that is notified when open sessions must move.
  void add_session(const std::shared_ptr<SessionHandle>& session);
  /// Moves the open sessions whose workers have been moved aside.
  void move_sessions();
  /// The route of the same task and params in the current generation. Errors: kNotFound: it has no such task.
  [[nodiscard]] Result<RouteRef> current_route(const HostRoute& route) const { return routing_.current_route(route); }

  /// Whether the calling thread is the pool's reactor, as in a continuation.
  [[nodiscard]] bool on_reactor() const noexcept { return std::this_thread::get_id() == reactor_id_.load(); }
  /// See Runtime::shutdown.
  void shutdown(Shutdown how);

  // -- for a swap -------------------------------------------------------------------------------

  [[nodiscard]] RoutingTable& routing() noexcept { return routing_; }
  [[nodiscard]] SwapHooks& swap_hooks() noexcept { return swap_hooks_; }
  [[nodiscard]] GenerationRef make_generation(std::shared_ptr<const PluginInfo> plugin, ServedFileRef file,
                                              std::chrono::milliseconds load_limit);
  [[nodiscard]] RouteRef make_route(const GenerationRef& generation, const TaskInfo& task, StoredBytes params);
  /// Waits until all workers have left a generation, or until a point in time. Returns whether they have left it.
  [[nodiscard]] bool wait_left(const Generation& generation, MonotonicNs until_ns);

  using LockedScheduler = Guarded<Scheduler, HostMutex<HostLock::kScheduler>>;
  using Locked = LockedScheduler::Locked;

  /// Runs `action` on the scheduler under its lock, and then settles its effects without the lock. The action submits
  /// at most one call.
  template <typename Action>
  auto with(Action action) {
    Locked scheduler = scheduler_.lock();
    open_intake(*scheduler, 1);
    return with(std::move(scheduler), std::move(action));
  }
  template <typename Action>
  auto with(Locked scheduler, Action action) {
    const auto act = [&] {
      try {
        return action(*scheduler);
      } catch (...) {
        take_in(*scheduler);
        throw;
      }
    };
    if constexpr (std::is_void_v<std::invoke_result_t<Action, Scheduler&>>) {
      act();
      give_up(std::move(scheduler));
    } else {
      auto value = act();
      give_up(std::move(scheduler));
      return value;
    }
  }

 private:
  Pool(const RuntimeOptions& options, std::unique_ptr<Launcher> launcher, Poller poller, EventBell bell,
       std::shared_ptr<Retired> retired, std::shared_ptr<ArgumentMemory> arguments);

  /// Lets other threads leave calls while this one holds the lock, if threads have met at the lock. `spare`: number of
  /// calls that this thread may submit itself.
  void open_intake(const Scheduler& scheduler, std::uint32_t spare) noexcept;
  /// Submits the calls that were left, and closes the intake.
  void take_in(Scheduler& scheduler);
  /// Releases the lock and settles the effects.
  void give_up(Locked scheduler);
  /// Carries out the effects without the lock, and empties the object for reuse.
  void settle(Effects& effects);
  /// Creates the call that runs beside `call` for comparison; null if there is none. Called before `call` is submitted.
  [[nodiscard]] CallRef make_shadow(const Call& call);
  /// Leaves a small call with the holder of the lock if it takes calls in; otherwise returns false, and the caller
  /// keeps the call.
  [[nodiscard]] bool leave(CallRef& call) noexcept;
  /// Waits for room for one more call. Errors: the reason why it is not accepted.
  [[nodiscard]] Result<void> wait_for_room(Locked& scheduler, const Call& call);
  [[nodiscard]] bool has_room(const Scheduler& scheduler, const Call& call) const noexcept;
  /// Reaps on the calling thread, which has the reaper's role, until `call` is done or moves to another worker. False:
  /// the deadline passed first. Gives the role back in every case.
  bool reap_for(WorkerLink& link, const Call& call, MonotonicNs deadline_ns);

  /// Waits until no call is open; `bounded`: at most for drain_timeout. Returns whether no call is open.
  bool wait_until_drained(bool bounded);

  void react();
  void handle(std::uint64_t link_id, std::uint64_t kind);
  /// Kills a worker whose channel hung up, unless it is exiting by itself.
  void on_hang_up(std::uint64_t link_id);
  /// Reads a bounded number of the worker's messages; links with more of them are recorded in `unread_`.
  void read_messages(Scheduler& scheduler, WorkerLink& link);
  /// Starts one of the workers that are due. False if none is due.
  bool start_due_worker();
  /// Tells a worker where to find the file that it requested.
  void send_file(const FileRestorer::Request& request, const Result<ServedFile::Loadable>& found);
  /// False if the system cannot watch it: the worker is then useless.
  [[nodiscard]] bool watch(WorkerLink& link);
  void unwatch(const WorkerLink& link) noexcept;
  /// Reads and closes the streams of a worker that has exited, within a time limit.
  void finish_output(const std::shared_ptr<WorkerLink>& link);

  const std::uint32_t workers_;
  const std::uint64_t max_queued_calls_;
  const std::uint64_t max_queued_bytes_;
  const Overflow overflow_;
  const std::chrono::milliseconds drain_timeout_;
  const std::uint64_t recycle_above_bytes_;
  const bool copy_results_;
  const LinkOptions link_options_;
  const LogSink log_;
  const std::unique_ptr<Launcher> launcher_;
  Poller poller_;
  EventBell bell_;
  OutputReader output_;
  const std::shared_ptr<Retired> retired_;
  const Shared<CallMemory> call_memory_ = make_shared_object<CallMemory>(retired_);
  const std::shared_ptr<ArgumentMemory> arguments_;
  std::map<std::string, StoredBytes> settings_;  // Constant after the start.
  IdSequence session_ids_;
  IdSequence link_ids_;
  IdSequence route_numbers_;
  IdSequence generation_numbers_;
  RoutingTable routing_;
  CallFactory calls_;
  Guarded<std::vector<std::weak_ptr<SessionHandle>>> sessions_;
  SwapHooks swap_hooks_;

  // Kept between two uses, so that a small call allocates nothing. Not thread_local: its destructor would have to be
  // registered under the loader's lock, which the thread that starts the runtime may hold.
  std::atomic<Effects*> spare_effects_{nullptr};

  LockedScheduler scheduler_;
  Intake intake_;                      // Closed whenever no thread holds scheduler_'s lock.
  std::condition_variable changed_;    // With scheduler_'s lock: signals room, readiness and ends.
  std::atomic<bool> accepting_{true};  // Written under scheduler_'s lock; a first check reads it without the lock.
  bool closing_ = false;               // Guarded by scheduler_'s lock: the reactor exits once no worker is left.
  bool reactor_done_ = false;          // Guarded by scheduler_'s lock.
  std::atomic<std::thread::id> reactor_id_{};
  std::vector<std::uint64_t> unread_;  // Used by the reactor: links with unread messages.
  std::mutex join_mutex_;              // Guards reactor_.
  Thread reactor_;
  FileRestorer restorer_;  // Last, so that its thread ends before the other members are destroyed.
};

}  // namespace tenon::internal
