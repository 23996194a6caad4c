/// The content of a tenon.File: its data if present, otherwise the file at its path.
#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <tenon/types_generated.h>

#include "common/poll.hpp"

namespace tenon::plugins {

/// A file descriptor that is closed with its owner.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int value) noexcept : value_(value) {}
  FileDescriptor(FileDescriptor&& other) noexcept : value_(std::exchange(other.value_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept;
  ~FileDescriptor();
  [[nodiscard]] int get() const noexcept { return value_; }
  [[nodiscard]] explicit operator bool() const noexcept { return value_ >= 0; }

 private:
  int value_ = -1;
};

/// Throws TaskError TENON_IO: `'path': cannot be opened: Permission denied`. The status is
/// TENON_NOT_FOUND for ENOENT, TENON_UNAVAILABLE where no more files can be opened, and
/// TENON_OUT_OF_MEMORY for ENOMEM. `what` is a phrase such as "cannot be opened"; `advice`, if any, follows after a
/// semicolon.
[[noreturn]] void throw_os_error(std::string_view path, std::string_view what, int os_code,
                                 std::string_view advice = {});

/// Opens a regular file for reading. Links are followed; other kinds of files are neither opened
/// nor waited for. Throws TaskError: TENON_NOT_FOUND, TENON_IO; TENON_INVALID_ARGUMENT if it is not
/// a regular file.
FileDescriptor open_regular(const std::string& path, struct stat& status);

/// Reads content from its start to its end. Not thread-safe; keeps the file open during its
/// lifetime. Borrows the data of the File from which it was created.
class Content {
 public:
  /// Throws TaskError as open_regular; TENON_INVALID_ARGUMENT for a File without path and data.
  explicit Content(const tenon::File& file);
  /// The file at a path. Throws TaskError as open_regular.
  explicit Content(std::string path);
  /// Content that is already in memory.
  Content(std::string path, std::span<const std::uint8_t> data);

  /// Reads up to buffer.size() bytes; 0 only at the end. Throws TaskError TENON_IO.
  std::size_t read(std::span<std::uint8_t> buffer);
  /// Continues reading at `offset_bytes` from the start. Throws TaskError TENON_IO.
  void seek(std::uint64_t offset_bytes);

  /// The path that was opened, or the origin of the data.
  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  /// Whether a file is read, as opposed to data in memory.
  [[nodiscard]] bool is_file() const noexcept { return static_cast<bool>(file_); }
  /// Size at the time it was opened. A file may grow.
  [[nodiscard]] std::uint64_t size_bytes() const noexcept;
  /// The result of stat when the file was opened; only if is_file().
  [[nodiscard]] const struct stat& status() const noexcept { return status_; }
  /// Whether the size or modification time of the file has changed since it was opened. Throws
  /// TaskError TENON_IO.
  [[nodiscard]] bool has_changed() const;

 private:
  void open();

  std::string path_;
  std::span<const std::uint8_t> data_;
  std::size_t position_ = 0;
  FileDescriptor file_;
  struct stat status_ {};
};

/// Nanoseconds since 1970; before 1677 and after 2262 the smallest or largest number, because the
/// sum does not fit.
[[nodiscard]] std::int64_t nanoseconds_of(const timespec& time) noexcept;

/// Throws TaskError TENON_INVALID_ARGUMENT for a path that contains a zero byte, where the system
/// would cut it.
void require_whole_path(std::string_view path);

/// Copies sizes, times and mode from `status` to a File.
void describe(const struct stat& status, tenon::FileT& file);

/// Reads the whole content. Throws TaskError: TENON_IO; TENON_TOO_LARGE beyond `max_size_bytes`.
std::string read_all(Content& content, std::uint64_t max_size_bytes, const Poll& poll);

/// Throws TaskError TENON_TOO_LARGE; `limit` is the param to raise.
[[noreturn]] void throw_too_large(std::string_view path, std::uint64_t size_bytes, std::uint64_t max_size_bytes,
                                  std::string_view limit);

}  // namespace tenon::plugins
