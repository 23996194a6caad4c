/// Locks between processes, which the system takes away from one that dies.
#pragma once

#include <cstdint>
#include <filesystem>
#include <utility>

#include <tenon/error.hpp>

#include "platform/file_descriptor.hpp"

namespace tenon::internal {

enum class LockMode { kShared, kExclusive };

/// Many locks in one file, each a number below kLockCount: several holders share one, or one holder has it alone. The
/// numbers are places in the file, which stays empty. Holders are the objects of this class, in one process or in many:
/// two of them exclude each other also within one process. All locks of an object go with it, and with its process
/// however that ends; a child that the program forks keeps them until it ends or starts another program. Move-only.
/// [any-thread], but one thread at a time for the same number.
class FileLock {
 public:
  static constexpr std::uint64_t kLockCount = (std::uint64_t{1} << 63) - 1;

  /// Opens the lock file and creates it (for its owner alone) if need be. Errors: kIo; kUnavailable no descriptors
  /// left. [any-thread]
  [[nodiscard]] static Result<FileLock> open(const std::filesystem::path& file);

  /// Whether `file` still leads to this lock file. Where it does not, others lock another one.
  [[nodiscard]] bool is_at(const std::filesystem::path& file) const noexcept;

  /// Takes a lock, or turns the one that is held into the other mode, without waiting. False when another holder is in
  /// the way; what was held stays. Errors: kIo; kUnavailable the system has no locks left; kUnsupported the file
  /// system has none.
  [[nodiscard]] Result<bool> try_lock(std::uint64_t number, LockMode mode) const;
  /// Gives a lock back; nothing happens when it is not held.
  void unlock(std::uint64_t number) const noexcept;

 private:
  explicit FileLock(FileDescriptor descriptor) noexcept : descriptor_(std::move(descriptor)) {}
  FileDescriptor descriptor_;
};

}  // namespace tenon::internal
