/// Files: read whole, written so that a reader sees the old or the new content, never a half. What a user named may
/// also be a fifo or a device, which are read and written as they stand.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>

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

/// What may stand behind a name that is read.
enum class ReadFrom {
  kRegularFile,  ///< Anything else is refused, so that nothing is waited for.
  /// Fifos and character devices too, to their end: for names that a user gave (`/dev/stdin`, `<(command)`). Opening a
  /// fifo waits for its writer; a signal that comes first ends the wait with kCancelled.
  kStream,
};

/// Reads a whole file of at most `max_bytes`. Errors: those of open_for_reading; kTooLarge; kCancelled. [any-thread]
[[nodiscard]] Result<Buffer> read_file(const std::filesystem::path& path, std::uint64_t max_bytes,
                                       ReadFrom from = ReadFrom::kRegularFile);
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

/// Writes to a name that a user gave, piece by piece. What stands there decides: a missing or a regular file is
/// replaced as a whole by `finish`, and behind a symbolic link it is the target that is replaced; a fifo or a device is
/// written to as it stands, at once. Not thread-safe.
class NamedOutput {
 public:
  /// Opening a fifo waits for its reader. Errors: kInvalidArgument a directory; kNotFound no such directory; kCancelled
  /// when a signal came while a fifo was waited for; kIo. [any-thread]
  [[nodiscard]] static Result<NamedOutput> open(const std::filesystem::path& path, const WriteOptions& options = {});
  NamedOutput(NamedOutput&&) noexcept;
  NamedOutput& operator=(NamedOutput&&) noexcept;
  /// Without `finish` the old file stays as it was.
  ~NamedOutput();

  /// Errors: kIo; kUnavailable nobody reads the fifo any more; kCancelled a signal came while it was full.
  [[nodiscard]] Result<void> write(BytesView bytes);
  /// Puts a replaced file in its place; nothing is written after it. Errors: kIo.
  [[nodiscard]] Result<void> finish();
  /// Whether others see each write at once.
  [[nodiscard]] bool direct() const noexcept;

 private:
  struct State;
  explicit NamedOutput(std::unique_ptr<State> state) noexcept;
  std::unique_ptr<State> state_;
};

}  // namespace tenon::internal
