/// host/launcher.hpp: how a worker comes to life: as a process, or, in tests, on a thread.
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

/// A worker that was started. Used under the scheduler's lock; destroyed once it has ended.
class WorkerHandle {
 public:
  virtual ~WorkerHandle() = default;
  /// Process number; 0 when it has no process of its own.
  [[nodiscard]] virtual std::int64_t pid() const noexcept = 0;
  /// Readable once the worker has ended. Valid as long as this object.
  [[nodiscard]] virtual const FileDescriptor& exit_handle() const noexcept = 0;
  /// What the worker writes to stdout, non-blocking; null when there is no such stream.
  [[nodiscard]] virtual const FileDescriptor* output_stream() const noexcept { return nullptr; }
  /// The same for stderr.
  [[nodiscard]] virtual const FileDescriptor* error_stream() const noexcept = 0;
  /// Ends it as soon as can be. May be called again, also after the end.
  virtual void kill() noexcept = 0;
  /// How it ended; nullopt while it lives.
  [[nodiscard]] virtual std::optional<ExitStatus> exit_status() noexcept = 0;
};

/// Waits for the end of a worker that was killed, for a second at most, so that it does not stay behind as a zombie.
void await_end(WorkerHandle& handle) noexcept;

/// Starts workers. [any-thread], one at a time
class Launcher {
 public:
  virtual ~Launcher() = default;
  /// Starts a worker that speaks over `channel`, the worker's end. Errors: kUnavailable or others of Process::spawn.
  [[nodiscard]] virtual Result<std::unique_ptr<WorkerHandle>> launch(ControlChannel channel,
                                                                     std::uint64_t worker_id) = 0;
  /// Looks after the workers that run. Returns when to call again; kNever when there is nothing to look after.
  [[nodiscard]] virtual MonotonicNs look_after([[maybe_unused]] MonotonicNs now_ns) { return kNever; }
};

struct ProcessLauncherOptions {
  /// A worker that uses more is killed; 0: none is.
  std::uint64_t memory_limit_bytes = 0;
  /// See RuntimeOptions::worker_environment.
  std::function<std::vector<std::pair<std::string, std::string>>(unsigned index)> environment = {};
};

/// Workers as processes of `executable` (tenon-worker).
[[nodiscard]] std::unique_ptr<Launcher> make_process_launcher(std::filesystem::path executable,
                                                              ProcessLauncherOptions options = {});

}  // namespace tenon::internal
