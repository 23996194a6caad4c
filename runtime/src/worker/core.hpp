/// worker/core.hpp: the parts of one worker, on which the classes of worker/ operate. Everything is
/// for the task thread, except where marked.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <tenon/plugin.h>
#include <tenon/bytes.hpp>
#include <tenon/error.hpp>

#include "base/guarded.hpp"
#include "base/try.hpp"
#include "ipc/arena.hpp"
#include "ipc/segment_table.hpp"
#include "ipc/worker_end.hpp"
#include "platform/control_channel.hpp"
#include "platform/fork_guard.hpp"
#include "platform/host_watch.hpp"
#include "worker/result_builder.hpp"
#include "worker/route_table.hpp"

namespace tenon::internal {

/// Log lines per second; further ones are counted and dropped.
inline constexpr int kLogLinesPerSecond = 2000;

/// Sends log lines to the host. [any-thread]
class LogSender {
 public:
  explicit LogSender(WorkerEnd& end) : end_(end) {}
  void send(tenon_log_level_t level, std::string_view message, std::string_view plugin, std::string_view task,
            std::uint64_t call_id);
  /// Reports dropped lines that have not been reported yet. Called when the worker is idle, because
  /// no further line may follow.
  void report_dropped() {
    // Relaxed: a count that is seen late is reported later.
    if (has_dropped_.load(std::memory_order_relaxed)) {
      send_dropped();
    }
  }

 private:
  struct Counts {
    MonotonicNs second_began_ns = 0;
    int lines = 0;  ///< Lines in the current second.
    std::uint64_t dropped = 0;
  };

  void note_dropped(std::uint64_t lines);
  void send_dropped();
  [[nodiscard]] bool send_line(tenon_log_level_t level, std::string_view message, std::string_view plugin,
                               std::string_view task, std::uint64_t call_id);

  WorkerEnd& end_;
  Guarded<Counts> counts_;
  std::atomic<bool> has_dropped_{false};  // Whether Counts::dropped is not 0. Written with the lock held.
};

/// Limits how long a plugin's code may take to load. [task-thread], except report().
class LoadGuard {
 public:
  /// A load that takes longer than this stops the worker. The bound exceeds the limit by a third,
  /// at least by one second: a plugin that was inspected within its limit may take slightly longer
  /// in a worker.
  [[nodiscard]] static constexpr std::chrono::milliseconds bound(std::chrono::milliseconds limit) noexcept {
    return limit + std::max<std::chrono::milliseconds>(limit / 3, std::chrono::seconds(1));
  }

  /// `watch` must outlive the guard. Without it there is no limit.
  void watch_with(HostWatch& watch) noexcept { watch_ = &watch; }
  /// `plugin` must stay valid until ended(). A `limit` of 0 means none.
  void began(const std::string& plugin, std::chrono::milliseconds limit) noexcept;
  void ended() noexcept;
  /// For the watching thread, after the timer expired: reports on standard error which plugin
  /// hangs. Returns false if the load has ended meanwhile.
  [[nodiscard]] bool report(const HostWatch& watch) const;
  /// Restarts the timer with the whole limit. [any-thread]
  void start_timer() const noexcept;

 private:
  HostWatch* watch_ = nullptr;
  // Release and acquire: the watching thread reads the name and the limit.
  std::atomic<const std::string*> plugin_{nullptr};
  std::atomic<std::int64_t> limit_ms_{0};
};

/// Sends a message to the host; waits for room until the deadline. Errors: kDeadline; those of
/// WorkerEnd::post. [any-thread]
[[nodiscard]] Result<void> post_message(WorkerEnd& end, BytesView message, MonotonicNs deadline_ns);

struct WorkerCore {
  WorkerCore(ControlChannel channel_end, WorkerEnd end_of_rings, Arena result_arena)
      : channel(std::move(channel_end)), end(std::move(end_of_rings)), log(end), results(std::move(result_arena)) {}
  WorkerCore(const WorkerCore&) = delete;
  WorkerCore& operator=(const WorkerCore&) = delete;

  ControlChannel channel;
  /// Checked wherever a plugin's code returns to the worker or calls it.
  ForkGuard fork_guard;
  WorkerEnd end;
  LogSender log;
  Arena results;
  SegmentTable segments;
  RouteTable routes;
  LoadGuard loads;
  std::uint64_t worker_id = 0;
  std::uint64_t result_limit_bytes = 0;
  alignas(16) ResultBuilder::Scratch scratch;
  /// The task thread's stack position when the loop started; the guard against endless nesting
  /// measures from it.
  const char* stack_base = nullptr;
  std::uint64_t next_request = 1;
  /// Several threads of a task may report. Bare, because a thread that finds it taken does not wait.
  std::mutex progress_mutex;
  /// The view that plugins get; must live as long as the process, see tenon_worker_t.
  const tenon_worker_t* plugin_view = nullptr;
  bool stopping = false;
  /// A stop request from outside the control channel (in-process launcher only); may be null.
  /// [any-thread]
  const std::atomic<bool>* killed = nullptr;

  [[nodiscard]] bool is_killed() const noexcept {
    // Relaxed: only the flag itself matters.
    return killed != nullptr && killed->load(std::memory_order_relaxed);
  }

  /// Whether the control channel has messages. Costs a load; checking the channel would be a system
  /// call.
  [[nodiscard]] bool has_message() const noexcept { return end.messages() > messages_read_; }
  /// Handles the waiting messages of the control channel. Errors: kUnavailable: the host is gone;
  /// kCorrupt: malformed message.
  [[nodiscard]] Result<void> read_control();
  /// Handles messages, waiting for more, until `done()` holds. Errors: also kDeadline.
  template <typename Done>
  [[nodiscard]] Result<void> read_control_until(Done done, MonotonicNs deadline_ns) {
    while (!done()) {
      TENON_ASSIGN(const auto taken, take_message(deadline_ns));
      if (!taken && !done()) {
        return fail(ErrorCode::kDeadline, "the host did not send something that a call refers to");
      }
    }
    return {};
  }
  /// The bytes of a block; waits for its segment if necessary.
  [[nodiscard]] Result<BytesView> resolve(const BlockRef& block, BytesView inline_bytes, std::string_view what);
  /// A route that the host has bound or is about to bind.
  [[nodiscard]] Result<Route*> route(std::uint32_t number);
  /// Requests the route of a task from the host by the task's full name.
  [[nodiscard]] Result<Route*> resolve_task(std::string_view full_name);

 private:
  /// Requests a plugin's file from the host by its hash, and waits for it.
  [[nodiscard]] Result<OpenPluginFile> fetch_file(const PluginSlot& slot, const std::string& sha256);
  /// Handles one message; false if none arrived before the deadline.
  [[nodiscard]] Result<bool> take_message(MonotonicNs deadline_ns);
  [[nodiscard]] Result<void> handle(ControlMessage& message);

  struct Answer {
    std::uint64_t request = 0;
    std::uint32_t route = 0;
    std::optional<Error> error;
  };
  struct FileAnswer {
    std::string plugin;
    std::string sha256;
    std::string file;
    std::optional<PluginFileState> state;
    FileDescriptor descriptor;
    std::optional<Error> error;
  };
  std::optional<Answer> answer_;
  std::optional<FileAnswer> file_answer_;
  std::uint64_t messages_read_ = 0;
  std::map<std::string, std::uint32_t, std::less<>> resolved_;
};

}  // namespace tenon::internal
