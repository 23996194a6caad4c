/// Files: read whole, written so that a reader sees the old or the new content, never a half.
#pragma once

#include <cstdint>
#include <filesystem>

#include <tenon/bytes.hpp>
#include <tenon/error.hpp>

#include "platform/file_descriptor.hpp"

namespace tenon::internal {

/// What tells one file, and one state of it, from another.
struct FileIdentity {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t size_bytes = 0;
  std::int64_t mtime_ns = 0;
  std::int64_t ctime_ns = 0;
  std::uint32_t mode = 0;   ///< Permission bits.
  std::uint32_t owner = 0;  ///< User number.
  bool regular = false;
  friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};

/// Identity of what `path` names, links followed. Errors: kNotFound; kIo. [any-thread]
[[nodiscard]] Result<FileIdentity> file_identity(const std::filesystem::path& path);
/// Identity of an open file. Errors: kIo. [any-thread]
[[nodiscard]] Result<FileIdentity> file_identity(const FileDescriptor& descriptor);

/// Opens a regular file for reading; a fifo or device is refused and never waited for. Errors: kNotFound;
/// kInvalidArgument not a regular file; kIo. [any-thread]
[[nodiscard]] Result<FileDescriptor> open_for_reading(const std::filesystem::path& path);

/// Reads a whole regular file of at most `max_bytes`. Errors: those of open_for_reading; kTooLarge. [any-thread]
[[nodiscard]] Result<Buffer> read_file(const std::filesystem::path& path, std::uint64_t max_bytes);
/// Reads the rest of an open file of at most `max_bytes`.
[[nodiscard]] Result<Buffer> read_file(const FileDescriptor& descriptor, std::uint64_t max_bytes);

struct WriteOptions {
  /// Permission bits of a new file, before umask.
  std::uint32_t mode = 0666;
  /// Waits until the content is on the disk. Slower; without it a power cut may lose the new content, never mix it.
  bool sync = true;
};

/// Writes a file as a whole: a temporary file beside it, then a rename. On an error the old file is untouched and the
/// temporary one is gone. Errors: kNotFound no such directory; kIo with disk full, quota, read-only in words.
/// [any-thread]
[[nodiscard]] Result<void> write_file(const std::filesystem::path& path, BytesView content,
                                      const WriteOptions& options = {});

}  // namespace tenon::internal
