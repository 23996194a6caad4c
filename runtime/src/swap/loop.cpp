#include "swap/loop.hpp"

#include <algorithm>
#include <utility>

namespace tenon::internal {
namespace {

constexpr std::uint64_t kBellToken = 0;
constexpr std::uint64_t kWatchToken = 1;

Error stopping() {
  return {ErrorCode::kRejected, "the runtime is shutting down", {}};
}

Error stopped_meanwhile() {
  return {ErrorCode::kCancelled, "the runtime is shutting down; the version that was current stays so", {}};
}

std::map<std::filesystem::path, PluginFingerprint> seen_files(const StagedCatalog& initial) {
  std::map<std::filesystem::path, PluginFingerprint> seen;
  for (const auto& [name, plugin] : initial.plugins) {
    if (plugin.seen) {
      seen.emplace(plugin.file, *plugin.seen);
    }
  }
  return seen;
}

}  // namespace

SwapCoordinator::Loop::Loop(const HotSwapOptions& options, std::shared_ptr<Fleet> fleet, Candidates candidates,
                            StagedCatalog initial, LogSink log, std::shared_ptr<EventBell> bell, Poller poller)
    : options_(options),
      bell_(std::move(bell)),
      poller_(std::move(poller)),
      services_(std::move(fleet), std::move(candidates), std::move(log), initial.directories,
                [bell = bell_] { bell->ring(); }) {
  const auto seen = seen_files(initial);
  for (auto& [name, plugin] : initial.plugins) {
    lanes_.emplace(name, std::make_unique<Lane>(services_, name, services_.fleet->current(name), std::move(plugin)));
  }
  if (options_.watch) {
    watcher_ = std::make_unique<PluginWatcher>(
        WatcherOptions{services_.directories, options_.debounce, options_.rescan}, seen);
  }
}

Result<void> SwapCoordinator::Loop::start() {
  if (auto added = poller_.add(bell_->descriptor(), kBellToken); !added) {
    return added;
  }
  if (watcher_ != nullptr) {
    watcher_->start();
    if (watcher_->descriptor() != nullptr) {
      if (auto added = poller_.add(*watcher_->descriptor(), kWatchToken); !added) {
        return added;
      }
    }
  }
  services_.fleet->set_listener(services_.wake);
  auto thread = Thread::start("tenon-swap", [self = shared_from_this()] { self->run(); });
  if (!thread) {
    return fail(std::move(thread.error()));
  }
  thread_.set(std::move(*thread));
  return {};
}

void SwapCoordinator::Loop::give(SwapRequest request) {
  {
    auto inbox = inbox_.lock();
    if (!inbox->stopping) {
      inbox->requests.push_back(std::move(request));
      bell_->ring();
      return;
    }
  }
  request.done(fail(stopping()));
}

void SwapCoordinator::Loop::stop_soon() {
  inbox_.lock()->stopping = true;
  bell_->ring();
}

void SwapCoordinator::Loop::stop() {
  stop_soon();
  // A listener that stops its own runtime cannot wait for itself.
  if (on_own_thread()) {
    return;
  }
  if (auto thread = thread_.lock(); thread->joinable()) {
    thread->join();
  }
}

void SwapCoordinator::Loop::let_go() {
  if (auto thread = thread_.lock(); thread->joinable()) {
    thread->detach();  // It owns this object.
  }
}

void SwapCoordinator::Loop::run() {
  thread_id_.store(std::this_thread::get_id());
  while (turn()) {
  }
  // Stops all lanes first, then waits for those that still work.
  for (auto& [name, lane] : lanes_) {
    lane->stop(stopped_meanwhile());
  }
  std::vector<SwapRequest> requests;
  {
    auto inbox = inbox_.lock();
    requests = std::exchange(inbox->requests, {});
  }
  for (SwapRequest& request : requests) {
    request.done(fail(stopping()));
  }
  lanes_.clear();
  services_.events.deliver();
}

bool SwapCoordinator::Loop::turn() {
  const auto events = poller_.wait(next_time());
  if (!events) {
    // Events can no longer be waited for, but timed work continues.
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  bell_->drain();
  std::vector<SwapRequest> requests;
  {
    auto inbox = inbox_.lock();
    if (inbox->stopping) {
      return false;
    }
    requests = std::exchange(inbox->requests, {});
  }
  for (SwapRequest& request : requests) {
    take_request(std::move(request));
  }
  if (watcher_ != nullptr) {
    watch();
  }
  step_lanes();
  services_.events.deliver();
  return true;
}

void SwapCoordinator::Loop::take_request(SwapRequest request) {
  const std::vector<KnownPlugin> known = known_plugins();
  if (request.kind == SwapRequest::Kind::kRollBack) {
    const auto found = lanes_.find(request.what);
    if (found == lanes_.end()) {
      // This does not find the plugin either, and its error suggests similar names.
      const std::vector<std::filesystem::path> nowhere;
      auto target = find_swap_target(request.what,
                                     {nowhere, known, [](const std::string&) { return std::vector<StoredVersion>(); }});
      request.done(target ? fail(ErrorCode::kNotFound, "there is no plugin '" + target->plugin + "' in this runtime")
                          : fail(std::move(target.error())));
      return;
    }
    found->second->ask(std::move(request));
    return;
  }
  auto target = find_swap_target(request.what, {services_.directories, known, [this](const std::string& plugin) {
                                                  return services_.records.stored(plugin);
                                                }});
  if (!target) {
    request.done(fail(std::move(target.error())));
    return;
  }
  request.target = std::move(*target);
  Lane& asked = lane(request.target.plugin);
  asked.ask(std::move(request));
}

void SwapCoordinator::Loop::watch() {
  watcher_->look(monotonic_now_ns());
  for (std::string& message : watcher_->take_messages()) {
    tell_watch(SwapEvent::Kind::kWatch, {}, std::move(message));
  }
  for (const PluginFileChange& change : watcher_->take_quiet(monotonic_now_ns())) {
    on_change(change);
  }
}

void SwapCoordinator::Loop::on_change(const PluginFileChange& change) {
  const std::string name = plugin_name_of(change.file);
  const auto found = lanes_.find(name);
  if (change.gone) {
    if (found != lanes_.end() && found->second->current() != nullptr && found->second->source() == change.file) {
      const PluginInfo& current = *found->second->current();
      tell_watch(SwapEvent::Kind::kDetected, name,
                 change.file.string() + " was deleted; " + describe_version(name, current.version, current.sha256) +
                     " stays current");
    }
    return;
  }
  const std::filesystem::path first = first_plugin_file(services_.directories, name);
  if (first != change.file) {
    tell_watch(SwapEvent::Kind::kDetected, name,
               change.file.string() + " has changed, but " + first.string() + " is searched before it");
    return;
  }
  SwapRequest request;
  request.target.plugin = name;
  request.target.file = change.file;
  request.target.source = change.file;
  request.options = options_.swaps;
  request.reason = change.library ? "one of its libraries has changed" : "the file has changed";
  request.done = [this, file = change.file](const Result<SwapReport>& result) {
    // A failure that may be temporary is tried again at the next rescan.
    if (!result && (result.error().code == ErrorCode::kIo || result.error().code == ErrorCode::kUnavailable ||
                    result.error().code == ErrorCode::kDeadline)) {
      watcher_->forget(file);
    }
  };
  lane(name).ask(std::move(request));
}

void SwapCoordinator::Loop::step_lanes() {
  const std::size_t preparing = services_.preparing;
  for (auto& [name, lane] : lanes_) {
    lane->step(monotonic_now_ns());
  }
  if (services_.preparing < preparing) {
    bell_->ring();  // A waiting lane can start now, perhaps one that was passed over.
  }
}

MonotonicNs SwapCoordinator::Loop::next_time() const {
  MonotonicNs next = watcher_ == nullptr ? kNever : watcher_->next_time();
  for (const auto& [name, lane] : lanes_) {
    next = std::min(next, lane->next_time());
  }
  return next;
}

std::vector<KnownPlugin> SwapCoordinator::Loop::known_plugins() const {
  std::vector<KnownPlugin> known;
  for (const auto& [name, lane] : lanes_) {
    const auto current = lane->current();
    known.push_back({name, current == nullptr ? std::string() : current->version, lane->source()});
  }
  return known;
}

Lane& SwapCoordinator::Loop::lane(const std::string& plugin) {
  auto& lane = lanes_[plugin];
  if (lane == nullptr) {
    InitialPlugin initial;
    initial.file = first_plugin_file(services_.directories, plugin);
    lane = std::make_unique<Lane>(services_, plugin, services_.fleet->current(plugin), std::move(initial));
  }
  return *lane;
}

void SwapCoordinator::Loop::tell_watch(SwapEvent::Kind kind, const std::string& plugin, std::string message) {
  SwapEvent event;
  event.kind = kind;
  event.plugin = plugin;
  event.message = std::move(message);
  services_.events.add(std::move(event));
}

}  // namespace tenon::internal
