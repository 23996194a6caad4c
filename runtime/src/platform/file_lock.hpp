/// Locks between processes, which the system releases when a process dies.
#pragma once

#include <cstdint>
#include <filesystem>
#include <utility>

#include <tenon/error.hpp>

#include "platform/file_descriptor.hpp"

namespace tenon::internal {

enum class LockMode { kShared, kExclusive };

/// Many locks in one file, each identified by a number below kLockCount. A lock has several shared
/// holders or one exclusive holder. The numbers are byte offsets in the file, which stays empty.
/// Holders are the objects of this class, in one process or in several: two objects exclude each
/// other even within one process. All locks of an object are released with it, and with its process
/// however that exits; a forked child keeps them until it exits or executes another program.
/// Move-only. [any-thread], but one thread at a time for the same number.
class FileLock {
 public:
  static constexpr std::uint64_t kLockCount = (std::uint64_t{1} << 63) - 1;

  /// Opens the lock file and creates it if necessary (accessible only to its owner). Errors: kIo;
  /// kUnavailable: no descriptors are left. [any-thread]
  [[nodiscard]] static Result<FileLock> open(const std::filesystem::path& file);

  /// Whether `file` still refers to this lock file. If not, other processes lock a different file.
  [[nodiscard]] bool is_at(const std::filesystem::path& file) const noexcept;

  /// Takes a lock, or converts a held lock to the other mode, without waiting. Returns false if
  /// another holder conflicts; a held lock is then kept. Errors: kIo; kUnavailable: the system has
  /// no locks left; kUnsupported: the file system has no locks.
  [[nodiscard]] Result<bool> try_lock(std::uint64_t number, LockMode mode) const;
  /// Releases a lock; does nothing if it is not held.
  void unlock(std::uint64_t number) const noexcept;

 private:
  explicit FileLock(FileDescriptor descriptor) noexcept : descriptor_(std::move(descriptor)) {}
  FileDescriptor descriptor_;
};

}  // namespace tenon::internal
