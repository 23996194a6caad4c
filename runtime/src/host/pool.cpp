#include "host/pool.hpp"

#include <algorithm>
#include <map>
#include <new>

#include "base/checked.hpp"
#include "base/clock.hpp"
#include "base/hot.hpp"
#include "base/text.hpp"
#include "host/descriptor_budget.hpp"
#include "platform/doorbell.hpp"
#include "platform/resource_limits.hpp"

namespace tenon::internal {

namespace {

constexpr std::uint64_t kMinArenaBytes = std::uint64_t{1} << 20;
/// Number of calls that one holder of the lock takes in, so that it is not delayed for long, and the maximum size of
/// their arguments.
constexpr std::uint32_t kMostLeft = 256;
constexpr std::uint64_t kMostLeftBytes = 4096;
constexpr std::string_view kClosedText = "the runtime is shutting down and takes no further calls";
constexpr std::uint32_t kMaxWorkers = 4096;
/// Interval of checks for a thread that waits for a call that is not its worker's next one.
constexpr std::int64_t kLookNs = 1'000'000;
/// A caller that has started a runtime usually makes a call next. On few cores, the other workers start after this
/// delay, because a start takes a core for half a millisecond and would delay the first call.
constexpr std::int64_t kFirstCallNs = 500'000;
/// Longer times could overflow a point in time.
constexpr std::chrono::milliseconds kLongestDrain = std::chrono::hours(24 * 365);

std::int64_t to_ns(std::chrono::milliseconds duration) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(duration).count();
}

/// Number of descriptors used by kept files, including those of the plugins' own libraries.
std::uint64_t descriptors_of(const std::map<std::string, ServedFileRef, std::less<>>& files) {
  std::uint64_t count = 0;
  for (const auto& [name, file] : files) {
    if (file == nullptr) {
      continue;  // A plugin that is currently not usable.
    }
    const auto& libraries = file->libraries();
    count += 1 + static_cast<std::uint64_t>(std::count_if(libraries.begin(), libraries.end(),
                                                          [](const auto& library) { return library.file != nullptr; }));
  }
  return count;
}

Result<void> check(const RuntimeOptions& options) {
  const auto bad = [](std::string message) { return fail(ErrorCode::kInvalidArgument, std::move(message)); };
  if (options.workers > kMaxWorkers) {
    return bad("RuntimeOptions::workers is " + std::to_string(options.workers) + "; " + std::to_string(kMaxWorkers) +
               " is the most");
  }
  if (options.argument_arena_bytes < kMinArenaBytes || options.result_arena_bytes < kMinArenaBytes) {
    return bad("RuntimeOptions::argument_arena_bytes and result_arena_bytes must be 1 MiB at least");
  }
  if (options.max_queued_calls == 0 || options.max_queued_bytes == 0) {
    return bad("RuntimeOptions::max_queued_calls and max_queued_bytes must not be 0");
  }
  if (options.cancel_grace.count() < 0 || options.drain_timeout.count() < 0 || options.start_timeout.count() <= 0) {
    return bad(
        "RuntimeOptions::cancel_grace and drain_timeout must not be negative and start_timeout must be positive");
  }
  if (options.stall_timeout.count() < 0) {
    return bad("RuntimeOptions::stall_timeout must not be negative; 0 is never");
  }
  return {};
}

/// Above this size, the memory is freed.
constexpr std::size_t kMostSpare = 4096;

template <typename T>
void recycle(std::vector<T>& vector) {
  vector.clear();
  if (vector.capacity() > kMostSpare) {
    vector.shrink_to_fit();
  }
}

}  // namespace

TENON_HOT void Pool::open_intake(const Scheduler& scheduler, std::uint32_t spare) noexcept {
  if (!intake_.wanted() || swap_hooks_.shadowing() || !accepting_.load(std::memory_order_relaxed)) {
    return;
  }
  const std::uint64_t taken = scheduler.ledger().accepted() + spare;
  if (taken < max_queued_calls_ &&
      scheduler.ledger().accepted_bytes() + kMostLeft * kMostLeftBytes <= max_queued_bytes_) {
    intake_.open(static_cast<std::uint32_t>(std::min<std::uint64_t>(max_queued_calls_ - taken, kMostLeft)));
  }
}

void Pool::take_in(Scheduler& scheduler) {
  if (!intake_.is_open()) {
    return;
  }
  while (Call* first = intake_.take_or_close()) {
    if (accepting_.load(std::memory_order_relaxed)) {
      scheduler.submit_all(first);
      continue;
    }
    while (first != nullptr) {
      Call* next = first->next();
      CallRef call = CallRef::adopt(first);
      try {
        scheduler.refuse(call, ErrorCode::kRejected, std::string(kClosedText));
      } catch (const std::bad_alloc&) {
        scheduler.end_without_memory(std::move(call));
      }
      first = next;
    }
  }
}

TENON_HOT void Pool::give_up(Locked scheduler) {
  take_in(*scheduler);
  if (scheduler->effects().empty()) {
    return;
  }
  // Acquire, paired with the release below: the object has been emptied. The changes under the lock have been made:
  // from here on, running out of memory must not prevent their effects.
  std::unique_ptr<Effects> spare(spare_effects_.exchange(nullptr, std::memory_order_acquire));
  if (spare == nullptr) {
    spare.reset(new (std::nothrow) Effects);
  }
  if (spare == nullptr) {
    Effects effects = std::exchange(scheduler->effects(), Effects());
    scheduler.unlock();
    settle(effects);
    return;
  }
  std::unique_ptr<Effects> effects = scheduler->exchange_effects(std::move(spare));
  scheduler.unlock();
  settle(*effects);
  const std::unique_ptr<Effects> other(spare_effects_.exchange(effects.release(), std::memory_order_acq_rel));
}

TENON_HOT void Pool::settle(Effects& effects) {
  if (effects.again || (effects.rearm && !on_reactor())) {
    bell_.ring();
  }
  if (effects.changed) {
    changed_.notify_all();
  }
  for (const LogLine& line : effects.log) {
    if (log_) {
      const PluginInfo* plugin = line.generation == nullptr ? nullptr : line.generation->plugin.get();
      log_(LogRecord{.level = line.level,
                     .message = line.message,
                     .plugin = line.plugin,
                     .version = plugin == nullptr ? std::string_view() : plugin->version,
                     .sha256 = plugin == nullptr ? std::string_view() : plugin->sha256,
                     .task = line.task,
                     .worker_id = line.worker_id,
                     .call_id = line.call_id,
                     .dropped = line.dropped,
                     .source = line.source});
    }
  }
  for (const auto& link : effects.buried) {
    unwatch(*link);
    finish_output(link);  // Without effect if it has exited: the reactor has done it.
  }
  effects.buried.clear();
  effects.released.clear();
  for (FileRestorer::Request& request : effects.files) {
    restorer_.add(std::move(request));
  }
  effects.files.clear();
  for (const CallRef& call : effects.finished) {
    if (copy_results_) {
      call->copy_result();
    }
    call->announce();
  }
  for (Effects::BulkEnd& end : effects.bulk_ends) {
    if (copy_results_ && end.answers != nullptr) {
      end.answers->copy_references();
    }
    end.ends.answers = std::move(end.answers);
    end.work->sink->on_end(end.work, end.ends);
  }
  if (effects.trouble) {
    swap_hooks_.report_trouble();
  }
  effects.log.clear();
  effects.trouble = false;
  effects.changed = false;
  effects.again = false;
  effects.rearm = false;
  recycle(effects.finished);
  recycle(effects.bulk_ends);
  recycle(effects.released);
}

Result<std::shared_ptr<Pool>> Pool::start(const RuntimeOptions& options,
                                          const std::function<Result<OpenedCatalog>()>& open_catalog,
                                          std::unique_ptr<Launcher> launcher) {
  if (auto checked = check(options); !checked) {
    return fail(std::move(checked.error()));
  }
  const auto budget = DescriptorBudget::for_workers(options.workers != 0 ? options.workers : usable_core_count());
  if (!budget) {
    return fail(Error(budget.error()));
  }
  if (auto enough = check_stack_limit("tenon-worker, which has the limits of this process,"); !enough) {
    return fail(std::move(enough.error()));
  }
  auto poller = Poller::create();
  if (!poller) {
    return fail(std::move(poller.error()));
  }
  auto bell = EventBell::create();
  if (!bell) {
    return fail(std::move(bell.error()));
  }
  auto bell_copy = bell->descriptor().duplicate();
  if (!bell_copy) {
    return fail(std::move(bell_copy.error()));
  }
  auto retired = std::make_shared<Retired>(EventBell(std::move(*bell_copy)));
  auto arguments = ArgumentMemory::create(
      {.arena_bytes = options.argument_arena_bytes, .cache_bytes = options.large_block_cache_bytes}, retired);
  if (!arguments) {
    return fail(std::move(arguments.error()));
  }
  const std::shared_ptr<Pool> pool(new Pool(options, std::move(launcher), std::move(*poller), std::move(*bell),
                                            std::move(retired), std::move(*arguments)));
  for (const auto& [name, settings] : options.plugin_settings) {
    auto stored = pool->calls_.store(settings);
    if (!stored) {
      return fail(std::move(stored.error()));
    }
    pool->settings_.emplace(name, std::move(*stored));
  }
  if (auto watched = pool->poller_.add(pool->bell_.descriptor(), 0); !watched) {
    return fail(std::move(watched.error()));
  }
  // The first worker starts while this thread creates the reactor, which starts the others, and opens the catalog.
  pool->start_due_worker();
  // The thread keeps the pool alive, so that its end does not depend on who releases the runtime first.
  auto reactor = Thread::start("tenon-reactor", [pool] { pool->react(); });
  if (!reactor) {
    pool->with([](Scheduler& scheduler) { scheduler.kill_workers(); });
    return fail(std::move(reactor.error()));
  }
  pool->reactor_ = std::move(*reactor);
  auto catalog = open_catalog();
  if (!catalog) {
    pool->shutdown(Shutdown::kKill);
    return fail(std::move(catalog.error()));
  }
  if (auto enough = budget->check_files(descriptors_of(catalog->files)); !enough) {
    pool->shutdown(Shutdown::kKill);
    return fail(std::move(enough.error()));
  }
  std::vector<GenerationRef> current;
  for (const auto& plugin : catalog->catalog.plugins()) {
    if (plugin->usable()) {
      current.push_back(
          pool->make_generation(plugin, catalog->files[plugin->name], options.limits_for(plugin->name).start_timeout));
    }
  }
  pool->routing_.open(std::move(catalog->catalog), current);
  std::optional<Error> unavailable;
  {
    auto scheduler = pool->scheduler_.lock();
    scheduler.wait(pool->changed_,
                   [&] { return scheduler->slots().ready_count() > 0 || scheduler->lives().unavailable(); });
    if (scheduler->slots().ready_count() == 0) {
      unavailable = scheduler->lives().unavailable();
    }
  }
  if (unavailable) {
    pool->shutdown(Shutdown::kKill);
    return fail(std::move(*unavailable));
  }
  pool->with([](Scheduler& scheduler) { scheduler.start_freely(monotonic_now_ns() + kFirstCallNs); });
  return pool;
}

Pool::Pool(const RuntimeOptions& options, std::unique_ptr<Launcher> launcher, Poller poller, EventBell bell,
           std::shared_ptr<Retired> retired, std::shared_ptr<ArgumentMemory> arguments)
    : workers_(options.workers != 0 ? options.workers : usable_core_count()),
      max_queued_calls_(options.max_queued_calls),
      max_queued_bytes_(options.max_queued_bytes),
      overflow_(options.overflow),
      drain_timeout_(std::min(options.drain_timeout, kLongestDrain)),
      recycle_above_bytes_(options.recycle_above_bytes),
      copy_results_(options.copy_results),
      link_options_{.result_arena_bytes = options.result_arena_bytes,
                    .memory_limit_bytes = options.worker_memory_limit_bytes},
      log_(options.log),
      launcher_(std::move(launcher)),
      poller_(std::move(poller)),
      bell_(std::move(bell)),
      output_(options.log),
      retired_(std::move(retired)),
      arguments_(std::move(arguments)),
      routing_([this](const GenerationRef& generation, const TaskInfo& task,
                      StoredBytes params) { return make_route(generation, task, std::move(params)); },
               [this](BytesView params) { return calls_.store(params); }),
      calls_(workers_, routing_, arguments_),
      scheduler_(std::in_place,
                 SchedulerOptions{.workers = workers_,
                                  .cores = usable_core_count(),
                                  .cancel_grace_ns = to_ns(options.cancel_grace),
                                  .start_timeout_ns = to_ns(options.start_timeout),
                                  .stall_timeout_ns = to_ns(options.stall_timeout),
                                  .recycle_after_calls = options.recycle_after_calls,
                                  .measures_memory = options.recycle_above_bytes != 0,
                                  // Leaves one core to this thread, which opens the catalog.
                                  .first_workers = std::max(usable_core_count(), 2u) - 1},
                 *arguments_, settings_),
      restorer_([this](const FileRestorer::Request& request, const Result<ServedFile::Loadable>& found) {
        send_file(request, found);
      }) {}

Pool::~Pool() {
  delete spare_effects_.load(std::memory_order_relaxed);
}

// -- routes and generations -----------------------------------------------------------------------------

GenerationRef Pool::make_generation(std::shared_ptr<const PluginInfo> plugin, ServedFileRef file,
                                    std::chrono::milliseconds load_limit) {
  return make_shared_object<const Generation>(generation_numbers_.next(), std::move(plugin), std::move(file),
                                              load_limit);
}

RouteRef Pool::make_route(const GenerationRef& generation, const TaskInfo& task, StoredBytes params) {
  return make_shared_object<const HostRoute>(static_cast<std::uint32_t>(route_numbers_.next()), generation,
                                             TaskRef{generation->plugin, &task}, std::move(params), weak_from_this(),
                                             call_memory_, retired_);
}

// -- running calls ----------------------------------------------------------------------------

TENON_HOT bool Pool::has_room(const Scheduler& scheduler, const Call& call) const noexcept {
  // At least one call is always accepted; otherwise a call larger than the bound could never run. The reactor must
  // never wait: a call of a continuation may exceed the bound, by one for each call that has ended. Closing a session
  // is never refused; otherwise the session would stay in its worker forever.
  return scheduler.ledger().accepted() == 0 ||
         (scheduler.ledger().accepted() + call.counted_calls() <= max_queued_calls_ &&
          call.counted_bytes() <=
              max_queued_bytes_ - std::min(max_queued_bytes_, scheduler.ledger().accepted_bytes())) ||
         call.kind == CallKind::kClose || on_reactor();
}

Result<void> Pool::wait_for_room(Locked& scheduler, const Call& call) {
  const auto closed = [] { return fail(ErrorCode::kRejected, std::string(kClosedText)); };
  if (!accepting_.load(std::memory_order_relaxed)) {
    return closed();
  }
  if (has_room(*scheduler, call)) {
    return {};
  }
  if (overflow_ == Overflow::kReject) {
    return fail(ErrorCode::kRejected,
                "the queue is full: " + count_of(scheduler->ledger().accepted(), "call", "calls") + " with " +
                    format_size(scheduler->ledger().accepted_bytes()) +
                    " of arguments; call later, or raise max_queued_calls or max_queued_bytes");
  }
  const auto may_go_on = [&] { return has_room(*scheduler, call) || !accepting_.load(std::memory_order_relaxed); };
  const CallDetails& details = call.details();
  const MonotonicNs until_ns = std::min(details.deadline_ns, details.queue_deadline_ns);
  if (until_ns == kNever) {
    scheduler.wait(changed_, may_go_on);
  } else if (!scheduler.wait_until(changed_, std::chrono::steady_clock::time_point(std::chrono::nanoseconds(until_ns)),
                                   may_go_on)) {
    return fail(ErrorCode::kDeadline,
                (until_ns == details.deadline_ns ? std::string("the call passed its timeout")
                                                 : std::string("the call passed its queue_timeout")) +
                    " while the queue was full; give it more time, or raise max_queued_calls or max_queued_bytes");
  }
  if (!accepting_.load(std::memory_order_relaxed)) {
    return closed();
  }
  return {};
}

TENON_HOT bool Pool::leave(CallRef& call) noexcept {
  return call->kind == CallKind::kCall && call->counted_bytes() <= kMostLeftBytes && intake_.leave(call);
}

void Pool::submit(CallRef call) {
  if (leave(call)) {
    return;
  }
  auto free = scheduler_.try_lock();
  if (!free) {
    intake_.note_contention();
  }
  auto scheduler = free ? std::move(*free) : scheduler_.lock();
  if (auto room = wait_for_room(scheduler, *call); !room) {
    scheduler.unlock();
    Error error = std::move(room.error());
    error.context.task = call->route()->ref.task->full_name;
    error.context.call_id = call->id();
    call->complete(fail(std::move(error)));
    return;
  }
  CallRef shadow;
  if (swap_hooks_.shadowing()) {
    scheduler.unlock();
    shadow = make_shadow(*call);
    scheduler = scheduler_.lock();
    if (!accepting_.load(std::memory_order_relaxed)) {
      // The runtime was shut down meanwhile.
      with(std::move(scheduler), [&](Scheduler& locked) {
        for (CallRef* each : {&call, &shadow}) {
          if (*each != nullptr) {
            locked.refuse(std::move(*each), ErrorCode::kRejected, std::string(kClosedText));
          }
        }
      });
      return;
    }
  }
  open_intake(*scheduler, 2);
  with(std::move(scheduler), [&](Scheduler& locked) {
    locked.submit(std::move(call));
    if (shadow != nullptr) {
      locked.submit(std::move(shadow));
    }
  });
}

Result<CallRef> Pool::submit_bulk(const Shared<const BulkWork>& work, const CallOptions& options) {
  CallRef call = calls_.make_bulk_call(work, options);
  auto scheduler = scheduler_.lock();
  if (auto room = wait_for_room(scheduler, *call); !room) {
    return fail(std::move(room.error()));
  }
  with(std::move(scheduler), [&](Scheduler& locked) { locked.submit(call); });
  return call;
}

TENON_HOT Result<Reply> Pool::run(CallRef call) {
  if (accepting_.load(std::memory_order_acquire) && !on_reactor()) {
    const std::shared_ptr<WorkerLink> link = with([&](Scheduler& scheduler) {
      const bool room = accepting_.load(std::memory_order_relaxed) && has_room(scheduler, *call);
      return room ? scheduler.submit_direct(call) : nullptr;
    });
    if (link != nullptr) {
      reap_for(*link, *call, kNever);
      call->wait();
      return call->outcome();
    }
  }
  submit(call);
  call->wait();
  return call->outcome();
}

TENON_HOT bool Pool::reap_for(WorkerLink& link, const Call& call, MonotonicNs deadline_ns) {
  // The thread is woken by the reply to the call itself; an earlier reply wakes it only if the call's own reply is
  // late.
  MonotonicNs look_ns = kNever;
  std::uint64_t position = 0;
  bool in_vain = false;
  for (;;) {
    const bool done = with([&](Scheduler& scheduler) {
      if (scheduler.reap_direct(link, call)) {
        return true;
      }
      // A slow task before the call must not delay the replies to the calls before that task.
      const bool next = in_vain || &link.in_flight.front() == &call;
      look_ns = next ? kNever : monotonic_now_ns() + kLookNs;
      position = next ? 0 : call.position();
      return false;
    });
    if (done) {
      return true;
    }
    in_vain = link.transport->end().wait(link.spin, std::min(deadline_ns, look_ns), position) == WaitResult::kTimeout;
    if (deadline_ns != kNever && monotonic_now_ns() >= deadline_ns) {
      with([&](Scheduler& scheduler) {
        if (!scheduler.reap_direct(link, call)) {
          scheduler.leave_role(link);
        }
      });
      return false;
    }
  }
}

void Pool::drive(Call& call, MonotonicNs deadline_ns) {
  if (on_reactor()) {
    return;
  }
  while (!call.ready()) {
    const std::shared_ptr<WorkerLink> link = with([&](Scheduler& scheduler) { return scheduler.take_role(call); });
    if (link == nullptr || !reap_for(*link, call, deadline_ns)) {
      return;
    }
  }
}

bool Pool::cancel(Call& call) {
  return with([&](Scheduler& scheduler) { return scheduler.limits().cancel(call); });
}

bool Pool::cancel_queued(Call& call) {
  return with([&](Scheduler& scheduler) { return scheduler.limits().cancel_queued(call); });
}

bool Pool::started(const Call& call) {
  return scheduler_.lock()->limits().started(call);
}

void Pool::cancel_items(const BulkWork& work, std::uint32_t from, std::uint32_t count) {
  with([&](Scheduler& scheduler) { scheduler.cancel_items(work, from, count); });
}

std::optional<Progress> Pool::progress(const Call& call) {
  return scheduler_.lock()->sent().progress(call);
}

std::int32_t Pool::slot_for_session() {
  return scheduler_.lock()->slots().for_session();
}

RuntimeStats Pool::stats() {
  RuntimeStats stats;
  scheduler_.lock()->fill_stats(stats);
  return stats;
}

// -- the end ----------------------------------------------------------------------------------

bool Pool::wait_until_drained(bool bounded) {
  auto scheduler = scheduler_.lock();
  const auto drained = [&] { return scheduler->ledger().accepted() == 0; };
  if (bounded) {
    return scheduler.wait_until(changed_, std::chrono::steady_clock::now() + drain_timeout_, drained);
  }
  scheduler.wait(changed_, drained);
  return true;
}

void Pool::shutdown(Shutdown how) {
  with([&](Scheduler& scheduler) {
    accepting_.store(false, std::memory_order_release);
    if (how == Shutdown::kCancel) {
      scheduler.limits().cancel_all();
    } else if (how == Shutdown::kDrainRunning && !on_reactor()) {
      scheduler.cancel_all_queued();
    } else if (how == Shutdown::kKill || on_reactor()) {
      scheduler.kill_workers();
    }
    scheduler.effects().changed = true;
  });
  if (on_reactor()) {
    // Called from a continuation: this is the very thread that the shutdown would wait for. It exits once the
    // continuation returns.
    with([&](Scheduler& scheduler) {
      closing_ = true;
      scheduler.stop_workers();
    });
    const std::lock_guard lock(join_mutex_);
    if (reactor_.joinable()) {
      reactor_.detach();
    }
    return;
  }
  if (!wait_until_drained(how == Shutdown::kDrain || how == Shutdown::kDrainRunning)) {
    with([&](Scheduler& scheduler) {
      scheduler.effects().log.push_back({LogLevel::kWarning,
                                         count_of(scheduler.ledger().accepted(), "call", "calls") +
                                             " did not end within drain_timeout and are cancelled",
                                         {},
                                         {},
                                         0,
                                         0});
      scheduler.limits().cancel_all();
    });
    static_cast<void>(wait_until_drained(false));
  }
  with([&](Scheduler& scheduler) {
    closing_ = true;
    scheduler.stop_workers();
  });
  {
    auto scheduler = scheduler_.lock();
    scheduler.wait(changed_, [&] { return reactor_done_; });
  }
  const std::lock_guard lock(join_mutex_);
  if (reactor_.joinable()) {
    reactor_.join();
  }
}

}  // namespace tenon::internal
