/// Kills the process group of a running program when the worker dies.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>

#include "common/content.hpp"

namespace exec {

/// A small process that waits for the death of this one and then kills the group that was set last.
/// A program's own death signal reaches only the program, not what it has started. [task-thread]
class GroupGuard {
 public:
  /// Throws TaskError TENON_UNAVAILABLE if the system cannot start another process.
  GroupGuard();
  GroupGuard(const GroupGuard&) = delete;
  GroupGuard& operator=(const GroupGuard&) = delete;
  ~GroupGuard();

  /// `group` is the group to kill; 0 for none. Call it with 0 while the leader is not yet reaped,
  /// because the number could be used again afterwards.
  void set(pid_t group) noexcept;
  /// Where `set` stores. A program may end this process in its first moments, so its own process
  /// stores its group there before the program runs.
  [[nodiscard]] std::atomic<std::int32_t>* group() noexcept { return group_; }

 private:
  /// In memory that both processes share.
  std::atomic<std::int32_t>* group_ = nullptr;
  tenon::plugins::FileDescriptor alive_;  ///< A pipe that the system closes when this process dies.
  pid_t process_ = -1;
};

}  // namespace exec
