/// How much memory other processes use, and limits on it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <utility>

namespace tenon::internal {

/// Memory that belongs to one process only, in bytes: private memory, swapped out or not, and shared memory that it has
/// mapped for writing, both as far as they have been touched. Files and memory that it only reads do not count.
/// Looks closer only when the answer may be above `limit_bytes`. Absent when the process is gone. [any-thread]
[[nodiscard]] std::optional<std::uint64_t> process_memory_bytes(std::int64_t pid, std::uint64_t limit_bytes);

/// How many processes the system has killed for want of memory, in this process's control group where it has one and
/// else on the whole machine. [any-thread]
[[nodiscard]] std::uint64_t out_of_memory_kills();

/// A control group with a memory limit, below that of this process or beside it. All memory that its processes take
/// counts, shared memory in any form included; a process beyond the limit is killed. Move-only; removed by its
/// destructor once no process is in it. One thread at a time.
class MemoryGroup {
 public:
  /// Absent where this process may not make control groups or they cannot limit memory.
  [[nodiscard]] static std::optional<MemoryGroup> create(std::uint64_t limit_bytes);
  /// Removes groups that were left behind by hosts that are gone.
  static void sweep();
  MemoryGroup(MemoryGroup&& other) noexcept;
  MemoryGroup& operator=(MemoryGroup&& other) noexcept;
  ~MemoryGroup();

  /// Moves a process in. False when that is refused.
  [[nodiscard]] bool add(std::int64_t pid) noexcept;
  /// Whether a process of the group was killed for the limit.
  [[nodiscard]] bool has_killed() const;

 private:
  MemoryGroup(std::filesystem::path path, bool unified) noexcept : path_(std::move(path)), unified_(unified) {}
  std::filesystem::path path_;  // Empty: moved away.
  bool unified_ = false;        // Of version 2.
};

}  // namespace tenon::internal
