#include "worker/worker.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include <tenon/control_generated.h>
#include <tenon/plugin.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#endif

#include "base/clock.hpp"
#include "base/guarded.hpp"
#include "base/hot.hpp"
#include "base/try.hpp"
#include "platform/host_watch.hpp"
#include "platform/process.hpp"
#include "platform/sandbox.hpp"
#include "platform/shared_memory.hpp"
#include "platform/thread.hpp"
#include "worker/core.hpp"
#include "worker/task_runner.hpp"

namespace tenon::internal {

namespace {

/// How long completions may wait for a host that sleeps until there are more of them.
constexpr std::int64_t kRingPatienceNs = 50'000;
constexpr std::chrono::seconds kHelloPatience{30};
/// Time that a living host gets to stop a worker whose channel hung up.
constexpr std::chrono::milliseconds kHostPatience{1000};
constexpr std::size_t kHelloDescriptors = 5;
constexpr std::string_view kBellLost =
    "the descriptor through which this worker rings its host was closed or replaced, so it exits: its host would not "
    "be notified "
    "of further results; a task must not touch descriptors that it did not open";

/// The plugins' view of the worker. Never freed: a plugin may keep it for the life of the process.
struct PluginView {
  tenon_worker_t worker{};
  ForkGuard fork_guard;
  Guarded<LogSender*> log{nullptr};  // Null once the worker has stopped.

  static void log_line(const tenon_worker_t* worker, tenon_log_level_t level, const char* message) {
    auto* view = static_cast<PluginView*>(worker->worker_data);
    view->fork_guard.end_child();
    const auto log = view->log.lock();
    if (*log != nullptr && message != nullptr) {
      (*log)->send(level, std::string_view(message).substr(0, 4096), {}, {}, 0);
    }
  }
  static const void* extension(const tenon_worker_t*, const char*) { return nullptr; }
};

void send_to_host(WorkerEnd& end, const flatbuffers::FlatBufferBuilder& builder) {
  // The ring is still empty, so there is room; the next read detects that the host is gone.
  static_cast<void>(end.post(BytesView(builder.GetBufferPointer(), builder.GetSize())));
}

void refuse(WorkerEnd& end, const std::string& message) {
  constexpr std::size_t kMaxRefusalBytes = 8192;
  flatbuffers::FlatBufferBuilder builder;
  const auto refused = control::CreateRefusedDirect(builder, message.substr(0, kMaxRefusalBytes).c_str());
  builder.Finish(control::CreateWorkerEnvelope(builder, control::WorkerMessage::Refused, refused.Union()));
  send_to_host(end, builder);
}

/// The loop of the watching thread: kills the process and everything that its tasks started.
void keep_watch(HostWatch& watch, const LoadGuard& loads) {
  for (;;) {
    switch (watch.wait()) {
      case HostWatch::Event::kHostGone:
        end_with_descendants(static_cast<int>(WorkerExit::kHostGone));
        return;
      case HostWatch::Event::kChannelLost:
        // A living host notices too and kills this process, recording the reason.
        for (int i = 0; i < 20 && watch.parent_lives(); ++i) {
          std::this_thread::sleep_for(kHostPatience / 20);
        }
        end_with_descendants(static_cast<int>(WorkerExit::kHostGone));
        return;
      case HostWatch::Event::kTimer:
        if (watch.debugged()) {
          loads.start_timer();
        } else if (loads.report(watch)) {
          end_with_descendants(static_cast<int>(WorkerExit::kBroken));
        }
        break;
    }
  }
}

/// Kills the process and everything that its tasks started when the host is gone or a plugin does
/// not load, even while a task runs. The thread lives as long as the process, and so must `core`.
/// Errors: kRejected: the system cannot start another thread; kUnavailable.
Result<void> watch_host(WorkerCore& core) {
  TENON_ASSIGN(auto made, HostWatch::create(core.channel));
  // Never freed: the thread uses it until the process exits.
  auto* watch = new HostWatch(std::move(made));
  core.loads.watch_with(*watch);
  static std::atomic<bool> separate{false};
  auto watcher = Thread::start("tenon-watch", [watch, &core] {
    watch->separate();
    separate.store(true, std::memory_order_release);
    keep_watch(*watch, core.loads);
  });
  if (!watcher) {
    return fail(ErrorCode::kRejected, std::move(watcher.error().message));
  }
  watcher->detach();
  // Waits here, before any plugin code runs.
  while (!separate.load(std::memory_order_acquire)) {
    std::this_thread::yield();
  }
  return {};
}

Result<std::unique_ptr<WorkerCore>> shake_hands(ControlChannel channel, const WorkerOptions& options) {
  TENON_ASSIGN(auto received, channel.receive(deadline_after(kHelloPatience)));
  if (!received) {
    return fail(ErrorCode::kUnavailable, "the host sent no greeting");
  }
  ControlMessage& message = *received;
  // Until it exists, only stderr and the exit code reach the host.
  std::optional<WorkerEnd> end;
  const auto prepare = [&]() -> Result<std::unique_ptr<WorkerCore>> {
    flatbuffers::Verifier verifier(message.bytes.data(), message.bytes.size());
    if (!verifier.VerifyBuffer<control::HostEnvelope>(nullptr)) {
      return fail(ErrorCode::kCorrupt, "the host's greeting is malformed");
    }
    const auto* hello = flatbuffers::GetRoot<control::HostEnvelope>(message.bytes.data())->message_as_Hello();
    if (hello == nullptr) {
      return fail(ErrorCode::kCorrupt, "the host's first message is not a greeting");
    }
    if (hello->protocol() != kLayoutVersion) {
      return fail(ErrorCode::kIncompatible, "the host speaks protocol " + std::to_string(hello->protocol()) +
                                                ", this tenon-worker " + std::to_string(kLayoutVersion) +
                                                "; use the tenon-worker that was built with the host's library");
    }
    if (message.descriptors.size() != kHelloDescriptors) {
      return fail(ErrorCode::kCorrupt, "the host's greeting lacks descriptors");
    }
    if (options.own_process && hello->memory_limit_bytes() != 0) {
      TENON_TRY(apply_sandbox({.data_bytes = hello->memory_limit_bytes()}));
    }
    if (options.own_process) {
      message.descriptors[4].move_out_of_reach();
    }
    const int bell_number = message.descriptors[4].get();
    TENON_ASSIGN(end, WorkerEnd::attach(std::move(message.descriptors[0]), std::move(message.descriptors[1]),
                                        EventBell(std::move(message.descriptors[4]))));
    TENON_ASSIGN(auto results, SharedMemory::adopt(std::move(message.descriptors[2]), {.shrink = true, .grow = true}));
    TENON_ASSIGN(auto arena, Arena::over(results, hello->result_segment_id()));
    TENON_ASSIGN(auto arguments, map_foreign_segment(std::move(message.descriptors[3])));
    auto core = std::make_unique<WorkerCore>(ControlChannel(), std::move(*end), std::move(arena));
    end.reset();
    if (options.own_process) {
      const std::array hidden = {core->end.shared_bytes(), MutableBytesView(core->results.mapping()->writable_data(),
                                                                            core->results.mapping()->size_bytes())};
      const std::array descriptors = {channel.descriptor().get(), bell_number};
      TENON_ASSIGN(core->fork_guard, ForkGuard::arm({.hidden = hidden, .descriptors = descriptors}));
    }
    core->worker_id = hello->worker_id();
    core->result_limit_bytes = hello->result_limit_bytes();
    TENON_TRY(core->segments.add(hello->argument_segment_id(), std::move(arguments)));
    // Both a nested call and the host's next call may use a result of this worker as their
    // argument.
    TENON_TRY(core->segments.add(core->results.segment(), core->results.mapping()));
    return core;
  };
  auto core = prepare();
  if (!core) {
    if (end) {
      refuse(*end, core.error().message);
    }
    return core;
  }
  (*core)->channel = std::move(channel);
  if (options.own_process) {
    if (auto watched = watch_host(**core); !watched) {
      refuse((*core)->end, watched.error().message);
      return fail(std::move(watched.error()));
    }
  }
  flatbuffers::FlatBufferBuilder builder;
  const auto ready =
      control::CreateReady(builder, kLayoutVersion, TENON_ABI_MAJOR, TENON_ABI_MINOR, TENON_ABI_SANITIZER);
  builder.Finish(control::CreateWorkerEnvelope(builder, control::WorkerMessage::Ready, ready.Union()));
  send_to_host((*core)->end, builder);
  return core;
}

TENON_HOT WorkerExit loop(WorkerCore& core, TaskRunner& runner, std::string& message) {
  AdaptiveSpin spin;
  MonotonicNs rung_ns = monotonic_now_ns();
  const auto gone_or_broken = [&](Error error) {
    message = std::move(error.message);
    return error.code == ErrorCode::kUnavailable ? WorkerExit::kHostGone : WorkerExit::kBroken;
  };
  for (;;) {
    if (core.is_killed()) {
      return WorkerExit::kHostGone;
    }
    if (core.end.bell_lost()) {
      message = std::string(kBellLost);
      return WorkerExit::kBroken;
    }
    if (core.has_message()) {
      if (auto read = core.read_control(); !read) {
        return gone_or_broken(std::move(read.error()));
      }
    }
    while (const auto released = core.end.pop_release()) {
      if (auto freed = core.results.free(*released); !freed) {
        return gone_or_broken(std::move(freed.error()));
      }
    }
    auto submission = core.end.begin();
    if (!submission) {
      return gone_or_broken(std::move(submission.error()));
    }
    if (*submission) {
      core.end.publish();  // Completions of revoked calls must not wait until this call ends.
      if (!runner.is_short(**submission)) {
        core.end.ring();  // Earlier completions must not wait either.
      }
      if (auto executed = runner.execute(**submission); !executed) {
        return gone_or_broken(std::move(executed.error()));
      }
      core.end.publish();
      if (const MonotonicNs now_ns = runner.last_end_ns(); now_ns - rung_ns >= kRingPatienceNs) {
        rung_ns = now_ns;
        core.end.ring();
      }
    } else if (core.stopping) {
      // Nothing is left, including revoked calls.
      core.end.publish();
      core.end.ring();
      return WorkerExit::kStopped;
    } else {
      if (!core.end.spin(spin)) {
        core.fork_guard.end_any_child();
        core.log.report_dropped();
        static_cast<void>(core.end.sleep(kNever));
      }
      runner.waited();
    }
  }
}

}  // namespace

WorkerExit run_worker(ControlChannel channel, const WorkerOptions& options, std::string& message) {
  auto shaken = shake_hands(std::move(channel), options);
  if (!shaken) {
    message = std::move(shaken.error().message);
    return shaken.error().code == ErrorCode::kUnavailable ? WorkerExit::kHostGone : WorkerExit::kRefused;
  }
  WorkerCore& core = **shaken;
  const char stack_base = 0;
  core.stack_base = &stack_base;
  core.killed = options.killed;
  auto* view = new PluginView;
#if defined(__SANITIZE_ADDRESS__)
  __lsan_ignore_object(view);  // Plugins may use it until the process exits.
#endif
  view->worker = {.size_bytes = sizeof(tenon_worker_t),
                  .abi_major = TENON_ABI_MAJOR,
                  .abi_minor = TENON_ABI_MINOR,
                  .worker_id = core.worker_id,
                  .log = PluginView::log_line,
                  .extension = PluginView::extension,
                  .worker_data = view};
  view->log.set(&core.log);
  view->fork_guard = core.fork_guard;
  core.plugin_view = &view->worker;
  TaskRunner runner(core);
  const WorkerExit how = loop(core, runner, message);
  runner.close_sessions();
  core.routes.finish_plugins();
  core.fork_guard.end_any_child();
  view->log.set(nullptr);
  if (options.own_process) {
    // The watching thread uses it until the process exits.
    static_cast<void>(shaken->release());
  }
  return how;
}

}  // namespace tenon::internal
