/// Files: read whole, and replaced atomically, so that a reader sees the old or the new content.
/// Names given by a user may also refer to a FIFO or a device, which are read and written directly.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>

#include <tenon/bytes.hpp>
#include <tenon/error.hpp>

#include "platform/file_descriptor.hpp"

namespace tenon::internal {

/// Identifies a file and one state of it.
struct FileIdentity {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t size_bytes = 0;
  std::int64_t mtime_ns = 0;
  std::int64_t ctime_ns = 0;
  std::uint32_t mode = 0;   ///< Permission bits.
  std::uint32_t owner = 0;  ///< User id.
  bool regular = false;
  friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};

/// Identity of the file that `path` names, following links. Errors: kNotFound; kIo. [any-thread]
[[nodiscard]] Result<FileIdentity> file_identity(const std::filesystem::path& path);
/// Identity of an open file. Errors: kIo. [any-thread]
[[nodiscard]] Result<FileIdentity> file_identity(const FileDescriptor& descriptor);

/// Opens a regular file for reading; a FIFO or device is refused without waiting. Errors:
/// kNotFound; kInvalidArgument: not a regular file; kIo. [any-thread]
[[nodiscard]] Result<FileDescriptor> open_for_reading(const std::filesystem::path& path);

/// Kinds of files that may be read.
enum class ReadFrom {
  kRegularFile,  ///< Refuses all other kinds, so that reading never waits.
  /// Also reads FIFOs and character devices, to their end: for names given by a user (`/dev/stdin`,
  /// `<(command)`). Opening a FIFO waits for its writer; a signal ends the wait with kCancelled.
  kStream,
};

/// Reads a whole file of at most `max_bytes`. Errors: those of open_for_reading; kTooLarge;
/// kCancelled. [any-thread]
[[nodiscard]] Result<Buffer> read_file(const std::filesystem::path& path, std::uint64_t max_bytes,
                                       ReadFrom from = ReadFrom::kRegularFile);
/// Reads the rest of an open file of at most `max_bytes`.
[[nodiscard]] Result<Buffer> read_file(const FileDescriptor& descriptor, std::uint64_t max_bytes);

struct WriteOptions {
  /// Permission bits of a new file, before the umask.
  std::uint32_t mode = 0666;
  /// Waits until the content is on disk. Slower; without it a power failure may lose the new
  /// content but never mixes old and new.
  bool sync = true;
};

/// Replaces a file atomically: writes a temporary file beside it, then renames it. On an error the
/// old file is unchanged and the temporary one is removed. Errors: kNotFound: no such directory;
/// kIo, with the cause (disk full, quota, read-only). [any-thread]
[[nodiscard]] Result<void> write_file(const std::filesystem::path& path, BytesView content,
                                      const WriteOptions& options = {});

/// Writes piecewise to a name given by a user. A missing or regular file is replaced as a whole by
/// `finish`; for a symbolic link, its target is replaced; a FIFO or device is written to directly,
/// at once. Not thread-safe.
class NamedOutput {
 public:
  /// Opening a FIFO waits for its reader. Errors: kInvalidArgument: a directory; kNotFound: no such
  /// directory; kCancelled: a signal arrived while waiting for a FIFO; kIo. [any-thread]
  [[nodiscard]] static Result<NamedOutput> open(const std::filesystem::path& path, const WriteOptions& options = {});
  NamedOutput(NamedOutput&&) noexcept;
  NamedOutput& operator=(NamedOutput&&) noexcept;
  /// Leaves the old file unchanged unless `finish` was called.
  ~NamedOutput();

  /// Errors: kIo; kUnavailable: the FIFO has no reader any more; kCancelled: a signal arrived while
  /// it was full.
  [[nodiscard]] Result<void> write(BytesView bytes);
  /// Puts the new file in place of the old one; nothing may be written afterwards. Errors: kIo.
  [[nodiscard]] Result<void> finish();
  /// Whether each write is visible to others at once.
  [[nodiscard]] bool direct() const noexcept;

 private:
  struct State;
  explicit NamedOutput(std::unique_ptr<State> state) noexcept;
  std::unique_ptr<State> state_;
};

}  // namespace tenon::internal
