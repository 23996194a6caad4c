#include "host/pool_fleet.hpp"

#include <algorithm>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/text.hpp"
#include "host/pool.hpp"
#include "host/session.hpp"

namespace tenon::internal {

namespace {

/// Maximum number of workers warmed up beside the others; the remaining slots get theirs once the old workers have
/// moved aside.
constexpr std::uint32_t kMostWarm = 64;

/// Waits for both ends of a call that runs on two versions, and reports both. The futures that it waits for keep it
/// alive.
class ShadowPair {
 public:
  ShadowPair(RouteRef route, std::shared_ptr<const decltype(TrialOptions::shadow)> sink)
      : route_(std::move(route)), sink_(std::move(sink)) {}
  void set_old(Result<Reply> end) { set(old_, std::move(end)); }
  void set_new(Result<Reply> end) { set(new_, std::move(end)); }

 private:
  void set(std::optional<Result<Reply>>& side, Result<Reply> end) {
    {
      const std::lock_guard lock(mutex_);
      side.emplace(std::move(end));
      if (!old_ || !new_) {
        return;
      }
    }
    (*sink_)(*route_->ref.task, *old_, *new_);
  }

  const RouteRef route_;
  const std::shared_ptr<const decltype(TrialOptions::shadow)> sink_;
  std::mutex mutex_;  // Guards both outcomes until both are there.
  std::optional<Result<Reply>> old_;
  std::optional<Result<Reply>> new_;
};

}  // namespace

CallRef Pool::make_shadow(const Call& call) {
  std::optional<std::uint32_t> slot;
  RouteRef twin;
  {
    auto scheduler = scheduler_.lock();
    slot = scheduler->trials().slot_for_shadow(call);
    twin = call.route()->trial;
  }
  if (!slot) {
    return nullptr;
  }
  std::shared_ptr<const SwapHooks::ShadowSink> sink = swap_hooks_.shadow_sink(twin->generation->number);
  if (sink == nullptr) {
    return nullptr;
  }
  CallRef shadow = calls_.make_shadow(call, twin, *slot);
  auto pair = std::make_shared<ShadowPair>(call.route(), std::move(sink));
  const Future<Reply> old_end{Shared<TypedState<Reply>>(CallRef::share(const_cast<Call*>(&call)))};
  const Future<Reply> new_end{Shared<TypedState<Reply>>(shadow)};
  static_cast<void>(old_end.then([pair](Result<Reply> end) { pair->set_old(std::move(end)); }));
  static_cast<void>(new_end.then([pair](Result<Reply> end) { pair->set_new(std::move(end)); }));
  return shadow;
}

bool Pool::wait_left(const Generation& generation, MonotonicNs until_ns) {
  auto scheduler = scheduler_.lock();
  return scheduler.wait_until(changed_, std::chrono::steady_clock::time_point(std::chrono::nanoseconds(until_ns)),
                              [&] { return !scheduler->generations().has(generation); });
}

void Pool::move_sessions() {
  std::vector<std::shared_ptr<SessionHandle>> open;
  {
    // The last owner of a session must not end it under this lock.
    const auto sessions = sessions_.lock();
    for (const auto& weak : *sessions) {
      if (auto session = weak.lock()) {
        open.push_back(std::move(session));
      }
    }
  }
  for (const auto& session : open) {
    session->move_soon();
  }
}

void Pool::add_session(const std::shared_ptr<SessionHandle>& session) {
  auto sessions = sessions_.lock();
  if (sessions->size() == sessions->capacity()) {
    // Cleaned up only before it grows, so that this happens rarely.
    std::erase_if(*sessions, [](const auto& weak) { return weak.expired(); });
  }
  sessions->push_back(session);
}

/// See Fleet. [any-thread]
class PoolFleet final : public Fleet {
 public:
  explicit PoolFleet(std::shared_ptr<Pool> pool) : pool_(std::move(pool)) {}

  Catalog catalog() const override { return pool_->catalog(); }

  GenerationRef current(std::string_view plugin) const override { return pool_->routing().current(plugin); }

  GenerationRef add(std::shared_ptr<const PluginInfo> plugin, ServedFileRef file,
                    std::chrono::milliseconds load_limit) override {
    return pool_->make_generation(std::move(plugin), std::move(file), load_limit);
  }

  Result<void> warm(const GenerationRef& generation, std::chrono::milliseconds timeout) override;
  void start_trial(const GenerationRef& generation, TrialOptions options) override;
  GenerationRef switch_to(const GenerationRef& generation, bool keeps_queued,
                          std::chrono::milliseconds session_drain) override;
  void retire(const GenerationRef& generation) override;

  bool wait_drained(const GenerationRef& generation, std::chrono::milliseconds timeout) override {
    return pool_->wait_left(*generation, deadline_after(timeout));
  }

  GenerationTally tally(const GenerationRef& generation) const override {
    GenerationTally tally;
    pool_->with([&](Scheduler& scheduler) { scheduler.generations().fill_tally(*generation, tally); });
    return tally;
  }

  void set_listener(std::function<void()> trouble) override { pool_->swap_hooks().set_listener(std::move(trouble)); }

 private:
  std::shared_ptr<Pool> pool_;
};

Result<void> PoolFleet::warm(const GenerationRef& generation, std::chrono::milliseconds timeout) {
  const std::vector<TaskInfo>& tasks = generation->plugin->schema->tasks();
  if (tasks.empty()) {
    return {};  // There is no task with which a worker could be asked to load it.
  }
  const RouteRef route = pool_->make_route(generation, tasks.front(), {});
  const MonotonicNs deadline_ns = deadline_after(timeout);
  std::vector<CallRef> loads;
  const Error cancelled{ErrorCode::kCancelled,
                        generation->plugin->name + " " + generation->plugin->version + " is not wanted any more",
                        {}};
  const bool wanted_still = pool_->with([&](Scheduler& scheduler) {
    if (generation->counts.retired()) {
      return false;
    }
    const std::uint32_t wanted =
        std::clamp<std::uint32_t>(scheduler.generations().count_with(generation->plugin->name), 1, kMostWarm);
    for (const std::uint32_t slot : scheduler.generations().add_warm_slots(generation, wanted)) {
      CallRef load = pool_->calls().make_load(route, slot, deadline_ns, std::chrono::nanoseconds(timeout).count());
      loads.push_back(load);
      scheduler.submit(load);
    }
    return true;
  });
  if (!wanted_still) {
    return fail(cancelled);
  }
  std::optional<Error> problem;
  for (const CallRef& load : loads) {
    load->wait();
    if (auto outcome = load->outcome(); !outcome && !problem) {
      problem = std::move(outcome.error());
      // The others would fail for the same reason.
      for (const CallRef& other : loads) {
        pool_->cancel(*other);
      }
    }
  }
  const bool retired = pool_->with([&](Scheduler& scheduler) {
    if (problem || generation->counts.retired()) {
      scheduler.generations().retire(*generation);
    }
    return generation->counts.retired();
  });
  if (retired) {
    return fail(cancelled);
  }
  if (!problem) {
    return {};
  }
  problem->message = "a worker could not load " + generation->plugin->name + " " + generation->plugin->version +
                     " and run its init with the settings there are: " + problem->message;
  return fail(std::move(*problem));
}

void PoolFleet::start_trial(const GenerationRef& generation, TrialOptions options) {
  const bool shadow = static_cast<bool>(options.shadow);
  if (shadow) {
    pool_->swap_hooks().add_shadow_sink(generation->number, std::move(options.shadow));
  }
  pool_->with([&](Scheduler& scheduler) {
    pool_->routing().begin_trial(generation);
    scheduler.trials().begin(generation, options.share, shadow);
  });
}

GenerationRef PoolFleet::switch_to(const GenerationRef& generation, bool keeps_queued,
                                   std::chrono::milliseconds session_drain) {
  RoutingTable::Replaced replaced;  // Destroyed outside the locks.
  pool_->with([&](Scheduler& scheduler) {
    replaced = pool_->routing().switch_to(generation, keeps_queued);
    if (replaced.generation != nullptr) {
      replaced.generation->counts.set_replaced(true);
    }
    generation->counts.set_replaced(false);
    scheduler.generations().switch_to({.to = generation,
                                       .keeps_queued = keeps_queued,
                                       .session_drain_ns = std::chrono::nanoseconds(session_drain).count()});
  });
  pool_->swap_hooks().remove_shadow_sink(generation->number);
  pool_->move_sessions();
  return std::move(replaced.generation);
}

void PoolFleet::retire(const GenerationRef& generation) {
  pool_->with([&](Scheduler& scheduler) {
    pool_->routing().end_trial(*generation);
    generation->counts.set_retired();
    scheduler.generations().retire(*generation);
  });
  pool_->swap_hooks().remove_shadow_sink(generation->number);
}

std::shared_ptr<Fleet> make_fleet(const std::shared_ptr<Pool>& pool) {
  return std::make_shared<PoolFleet>(pool);
}

}  // namespace tenon::internal
