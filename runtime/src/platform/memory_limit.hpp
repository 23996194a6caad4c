/// Memory use of other processes, and limits on it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <utility>

namespace tenon::internal {

/// Memory that belongs to one process only, in bytes: touched pages of private memory, swapped out or not, and of
/// shared memory that the process has mapped for writing. Files and memory that the process only reads do not count.
/// Takes the more expensive measurement only if the result may exceed `limit_bytes`. Absent if the process is gone.
/// [any-thread]
[[nodiscard]] std::optional<std::uint64_t> process_memory_bytes(std::int64_t pid, std::uint64_t limit_bytes);

/// How many processes the system has killed because memory ran out, in this process's control group
/// if it has one, otherwise on the whole machine. [any-thread]
[[nodiscard]] std::uint64_t out_of_memory_kills();

/// A control group with a memory limit, below or beside the group of this process. It counts all
/// memory of its processes, including every form of shared memory; a process that exceeds the limit
/// is killed. Move-only; removed by its destructor once it has no processes. One thread at a time.
class MemoryGroup {
 public:
  /// Absent if this process may not create control groups or they cannot limit memory.
  [[nodiscard]] static std::optional<MemoryGroup> create(std::uint64_t limit_bytes);
  /// Removes groups left behind by hosts that no longer exist.
  static void sweep();
  MemoryGroup(MemoryGroup&& other) noexcept;
  MemoryGroup& operator=(MemoryGroup&& other) noexcept;
  ~MemoryGroup();

  /// Moves a process into the group. Returns false if that is refused.
  [[nodiscard]] bool add(std::int64_t pid) noexcept;
  /// Whether a process of the group was killed because of the limit.
  [[nodiscard]] bool has_killed() const;

 private:
  MemoryGroup(std::filesystem::path path, bool unified) noexcept : path_(std::move(path)), unified_(unified) {}
  std::filesystem::path path_;  // Empty if moved from.
  bool unified_ = false;        // Whether it is a version 2 group.
};

}  // namespace tenon::internal
