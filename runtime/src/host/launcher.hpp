/// host/launcher.hpp: starts workers: as processes or, in tests, as threads.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <tenon/error.hpp>

#include "base/clock.hpp"
#include "platform/control_channel.hpp"
#include "platform/file_descriptor.hpp"
#include "platform/process.hpp"

namespace tenon::internal {

/// A started worker. Used under the scheduler's lock, except for the streams; destroyed once the worker has exited.
class WorkerHandle {
 public:
  virtual ~WorkerHandle() = default;
  /// Process id; 0 if it has no process of its own.
  [[nodiscard]] virtual std::int64_t pid() const noexcept = 0;
  /// Becomes readable once the worker has exited. Valid as long as this object.
  [[nodiscard]] virtual const FileDescriptor& exit_handle() const noexcept = 0;
  /// The worker's stdout, non-blocking; null if there is no such stream.
  [[nodiscard]] virtual const FileDescriptor* output_stream() const noexcept { return nullptr; }
  /// The worker's stderr, non-blocking.
  [[nodiscard]] virtual const FileDescriptor* error_stream() const noexcept = 0;
  /// Closes a stream, which is null afterwards. May block, and is called without the scheduler's lock.
  virtual void close_output_stream() noexcept {}
  virtual void close_error_stream() noexcept {}
  /// Kills the worker as soon as possible. May be called again, also after it has exited.
  virtual void kill() noexcept = 0;
  /// Stops waiting for the exit of a killed worker that the system does not end, because it is frozen or blocked in a
  /// system call: `exit_status` then reports the kill. Returns false if the worker was not killed or could still run.
  virtual bool give_up() noexcept { return false; }
  /// How it exited; nullopt while it runs.
  [[nodiscard]] virtual std::optional<ExitStatus> exit_status() noexcept = 0;
};

/// Waits at most a second for the exit of a killed worker, so that no zombie is left.
void await_end(WorkerHandle& handle) noexcept;

/// Starts workers. [any-thread], one at a time
class Launcher {
 public:
  virtual ~Launcher() = default;
  /// Starts a worker that communicates through `channel`, which is the worker's end. Errors: kUnavailable, or others of
  /// Process::spawn.
  [[nodiscard]] virtual Result<std::unique_ptr<WorkerHandle>> launch(ControlChannel channel,
                                                                     std::uint64_t worker_id) = 0;
  /// Supervises the running workers, for example their memory limit. Returns the time of the next call; kNever if there
  /// is nothing to supervise.
  [[nodiscard]] virtual MonotonicNs look_after([[maybe_unused]] MonotonicNs now_ns) { return kNever; }
};

struct ProcessLauncherOptions {
  /// Memory limit in bytes, beyond which a worker is killed; 0: none.
  std::uint64_t memory_limit_bytes = 0;
  /// See RuntimeOptions::worker_environment.
  std::function<std::vector<std::pair<std::string, std::string>>(unsigned index)> environment = {};
};

/// Workers as processes of `executable` (tenon-worker).
[[nodiscard]] std::unique_ptr<Launcher> make_process_launcher(std::filesystem::path executable,
                                                              ProcessLauncherOptions options = {});

}  // namespace tenon::internal
