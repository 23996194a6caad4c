/// swap/loop.hpp: the thread of the coordinator. For coordinator.cpp and loop.cpp.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/guarded.hpp"
#include "platform/reactor/poller.hpp"
#include "platform/thread.hpp"
#include "swap/coordinator.hpp"
#include "swap/lane.hpp"
#include "swap/request.hpp"
#include "swap/services.hpp"
#include "swap/target.hpp"
#include "swap/watcher.hpp"

namespace tenon::internal {

/// All lanes and the watch, served by one thread. The thread also owns this object, so that the
/// order in which owners release it does not matter.
class SwapCoordinator::Loop : public std::enable_shared_from_this<Loop> {
 public:
  Loop(const HotSwapOptions& options, std::shared_ptr<Fleet> fleet, Candidates candidates, StagedCatalog initial,
       LogSink log, std::shared_ptr<EventBell> bell, Poller poller);

  /// Starts the thread. Errors: kUnavailable if no thread or descriptor is left.
  [[nodiscard]] Result<void> start();
  /// Hands a person's request, without a target, to the thread. It always gets an outcome.
  void give(SwapRequest request);
  void stop();
  /// The same without waiting for the end of the thread.
  void stop_soon();
  /// Called by the owner as its last action. If the thread is still running, because a listener
  /// caused this, it ends by itself.
  void let_go();
  [[nodiscard]] bool on_own_thread() const noexcept { return std::this_thread::get_id() == thread_id_.load(); }

  [[nodiscard]] EventLog& events() noexcept { return services_.events; }
  [[nodiscard]] GenerationRecords& records() noexcept { return services_.records; }

 private:
  struct Inbox {
    std::vector<SwapRequest> requests;
    bool stopping = false;
  };

  void run();
  /// One round. False if the thread must stop.
  [[nodiscard]] bool turn();
  /// Finds the target and hands the request to its lane.
  void take_request(SwapRequest request);
  void watch();
  void on_change(const PluginFileChange& change);
  void step_lanes();
  [[nodiscard]] MonotonicNs next_time() const;
  [[nodiscard]] std::vector<KnownPlugin> known_plugins() const;
  [[nodiscard]] Lane& lane(const std::string& plugin);
  void tell_watch(SwapEvent::Kind kind, const std::string& plugin, std::string message);

  const HotSwapOptions options_;
  const std::shared_ptr<EventBell> bell_;
  Poller poller_;
  SwapServices services_;
  /// Declared after the services, which the lanes use until their end.
  std::map<std::string, std::unique_ptr<Lane>> lanes_;
  std::unique_ptr<PluginWatcher> watcher_;
  Guarded<Inbox> inbox_;
  Guarded<Thread> thread_;
  /// Written by the thread itself: the comparison can only be true there.
  std::atomic<std::thread::id> thread_id_;
};

}  // namespace tenon::internal
