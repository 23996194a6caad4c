/// host/memory_watch.hpp: keeps worker processes within RuntimeOptions::worker_memory_limit_bytes. See DESIGN.md.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "platform/memory_limit.hpp"
#include "platform/process.hpp"

namespace tenon::internal {

/// One worker process and its memory. Its own control group enforces the limit where there is one; elsewhere
/// MemoryWatch measures it. [any-thread]
class WatchedProcess {
 public:
  /// `process` outlives this object's use: see `forget`.
  WatchedProcess(Process& process, std::uint64_t limit_bytes, std::optional<MemoryGroup> group) noexcept
      : process_(&process), limit_bytes_(limit_bytes), group_(std::move(group)) {}

  /// Kills the process when it uses more than it may.
  void check();
  /// Completes the status of the process that has ended, which is not touched any more from here on.
  void complete(ExitStatus& status);
  /// The process is about to go.
  void forget();

 private:
  std::mutex mutex_;  // Guards all.
  Process* process_;
  const std::uint64_t limit_bytes_;
  std::optional<MemoryGroup> group_;
  std::uint64_t used_bytes_ = 0;  // When it was killed for it.
};

/// All workers of a launcher. One thread at a time.
class MemoryWatch {
 public:
  /// 0: no limit, and nothing is ever done.
  explicit MemoryWatch(std::uint64_t limit_bytes);

  /// Takes over a process that has just been started; null without a limit.
  [[nodiscard]] std::shared_ptr<WatchedProcess> add(Process& process);
  /// Measures the processes when it is time to. Returns when the next time is; kNever when there is nothing to measure.
  [[nodiscard]] MonotonicNs look_after(MonotonicNs now_ns);

 private:
  const std::uint64_t limit_bytes_;
  bool groups_ = true;  // Whether control groups can be made, as far as is known.
  MonotonicNs next_ns_ = kNever;
  std::vector<std::weak_ptr<WatchedProcess>> measured_;
};

}  // namespace tenon::internal
