/// host/memory_watch.hpp: keeps worker processes within RuntimeOptions::worker_memory_limit_bytes.
/// See DESIGN.md.
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

/// One worker process and its memory. Its own control group enforces the limit if there is one;
/// otherwise MemoryWatch measures it. [any-thread]
class WatchedProcess {
 public:
  /// `process` must outlive the use of this object: see `forget`.
  WatchedProcess(Process& process, std::uint64_t limit_bytes, std::optional<MemoryGroup> group) noexcept
      : process_(&process), limit_bytes_(limit_bytes), group_(std::move(group)) {}

  /// Kills the process if it exceeds its limit.
  void check();
  /// Completes the status of the exited process, which is not accessed any more afterwards.
  void complete(ExitStatus& status);
  /// Must be called before the process object is destroyed.
  void forget();

 private:
  std::mutex mutex_;  // Guards the other members.
  Process* process_;
  const std::uint64_t limit_bytes_;
  std::optional<MemoryGroup> group_;
  std::uint64_t used_bytes_ = 0;  // Set if it was killed for exceeding the limit.
};

/// All workers of a launcher. One thread at a time.
class MemoryWatch {
 public:
  /// 0: no limit; nothing is ever done.
  explicit MemoryWatch(std::uint64_t limit_bytes);

  /// Takes over a newly started process; returns null if there is no limit.
  [[nodiscard]] std::shared_ptr<WatchedProcess> add(Process& process);
  /// Measures the processes if it is time to. Returns the next time; kNever if there is nothing to
  /// measure.
  [[nodiscard]] MonotonicNs look_after(MonotonicNs now_ns);

 private:
  const std::uint64_t limit_bytes_;
  bool groups_ = true;  // Whether control groups can be created, as far as known.
  MonotonicNs next_ns_ = kNever;
  std::vector<std::weak_ptr<WatchedProcess>> measured_;
};

}  // namespace tenon::internal
