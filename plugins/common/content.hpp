/// The content of a tenon.File: what it carries, else what stands at its path.
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

/// Throws TaskError TENON_IO (TENON_NOT_FOUND for ENOENT): `'path': cannot be opened: Permission denied`. `what` is as
/// in "cannot be opened"; `advice`, if any, follows a semicolon.
[[noreturn]] void throw_os_error(std::string_view path, std::string_view what, int os_code,
                                 std::string_view advice = {});

/// Opens a regular file for reading. Links are followed; nothing else than a regular file is opened or waited for.
/// Throws TaskError: TENON_NOT_FOUND, TENON_IO, TENON_INVALID_ARGUMENT for what is no regular file.
FileDescriptor open_regular(const std::string& path, struct stat& status);

/// Reads content from its start to its end. Not thread-safe; keeps the file open as long as it lives. Borrows the data
/// of the File it was made from.
class Content {
 public:
  /// Throws TaskError as open_regular; TENON_INVALID_ARGUMENT for a File without path and data.
  explicit Content(const tenon::File& file);
  /// Bytes at hand.
  Content(std::string path, std::span<const std::uint8_t> data);

  /// Up to buffer.size() bytes, 0 at the end alone. Throws TaskError TENON_IO.
  std::size_t read(std::span<std::uint8_t> buffer);
  /// Goes on reading at `offset_bytes` from the start. Throws TaskError TENON_IO.
  void seek(std::uint64_t offset_bytes);

  /// The path that was opened, or that the data is said to come from.
  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  /// Whether a file is read, and not data that was carried along.
  [[nodiscard]] bool is_file() const noexcept { return static_cast<bool>(file_); }
  /// Size when it was opened. A file may grow.
  [[nodiscard]] std::uint64_t size_bytes() const noexcept;
  /// What stat said when the file was opened; only if is_file().
  [[nodiscard]] const struct stat& status() const noexcept { return status_; }
  /// Whether size, times or identity of the file are others than when it was opened. Throws TaskError TENON_IO.
  [[nodiscard]] bool has_changed() const;

 private:
  std::string path_;
  std::span<const std::uint8_t> data_;
  std::size_t position_ = 0;
  FileDescriptor file_;
  struct stat status_ {};
};

/// Since 1970, in nanoseconds; before 1677 and after 2262 the least or greatest number, as the sum does not fit.
[[nodiscard]] std::int64_t nanoseconds_of(const timespec& time) noexcept;

/// Throws TaskError TENON_INVALID_ARGUMENT for a path with a zero byte, which the system would cut there.
void require_whole_path(std::string_view path);

/// Sizes, times and mode from `status` to a File.
void describe(const struct stat& status, tenon::FileT& file);

/// All of it. Throws TaskError: TENON_IO, TENON_TOO_LARGE beyond `max_size_bytes`.
std::string read_all(Content& content, std::uint64_t max_size_bytes, const Poll& poll);

/// Throws TaskError TENON_TOO_LARGE; `limit` is the param to raise.
[[noreturn]] void throw_too_large(std::string_view path, std::uint64_t size_bytes, std::uint64_t max_size_bytes,
                                  std::string_view limit);

}  // namespace tenon::plugins
