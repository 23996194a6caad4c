/// An owned file descriptor of the operating system.
#pragma once

#include <cstdint>
#include <span>
#include <utility>

#include <tenon/error.hpp>

namespace tenon::internal {

/// Owns one descriptor and closes it. Move-only. Not thread-safe by itself. Every descriptor that
/// tenon creates is close-on-exec.
class FileDescriptor {
 public:
  /// Holds no descriptor.
  FileDescriptor() noexcept = default;
  /// Takes over `number`; a negative number means no descriptor.
  explicit FileDescriptor(int number) noexcept : number_(number) {}
  FileDescriptor(FileDescriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    if (this != &other) {
      reset();
      number_ = std::exchange(other.number_, -1);
    }
    return *this;
  }
  ~FileDescriptor() { reset(); }

  [[nodiscard]] bool valid() const noexcept { return number_ >= 0; }
  explicit operator bool() const noexcept { return valid(); }
  /// The number; -1 if there is none. Ownership stays here.
  [[nodiscard]] int get() const noexcept { return number_; }
  /// Releases ownership without closing it.
  [[nodiscard]] int release() noexcept { return std::exchange(number_, -1); }
  /// Closes it.
  void reset() noexcept;
  /// Returns a second descriptor of the same open file. Errors: kIo.
  [[nodiscard]] Result<FileDescriptor> duplicate() const;
  /// Moves it to a number that newly opened files do not get and that loops over low numbers do not
  /// reach. Keeps its number if the descriptor limit leaves no such number.
  void move_out_of_reach() noexcept;

 private:
  int number_ = -1;
};

/// Reads at most `buffer.size()` bytes; 0 at the end. Restarts after interruptions. Errors: kIo;
/// kUnavailable if a non-blocking descriptor has no data. [any-thread]
[[nodiscard]] Result<std::size_t> read_some(const FileDescriptor& descriptor, std::span<std::uint8_t> buffer);

/// Reads at an offset from the start of a file, independent of the file position. [any-thread]
[[nodiscard]] Result<std::size_t> read_some_at(const FileDescriptor& descriptor, std::uint64_t offset_bytes,
                                               std::span<std::uint8_t> buffer);

/// Writes all bytes. Continues after interruptions and short writes. Never raises SIGPIPE on
/// sockets; on pipes it may. Errors: kIo (the message names a full disk). [any-thread]
[[nodiscard]] Result<void> write_all(const FileDescriptor& descriptor, std::span<const std::uint8_t> bytes);

/// Makes reads and writes fail with kUnavailable instead of waiting. Errors: kIo. [any-thread]
[[nodiscard]] Result<void> set_non_blocking(const FileDescriptor& descriptor, bool non_blocking);

/// The limit of open descriptors of this process (RLIMIT_NOFILE): the current one, and the one to
/// which the process may raise it.
struct DescriptorLimit {
  std::uint64_t soft = 0;
  std::uint64_t hard = 0;
};
/// [any-thread]
[[nodiscard]] DescriptorLimit descriptor_limit() noexcept;

/// Number of this process's open descriptors, for tests and diagnostics. Errors: kIo. [any-thread]
[[nodiscard]] Result<std::size_t> open_descriptor_count();

/// Waits until the other end of a pipe or socket is gone, regardless of unread data. [any-thread]
void wait_for_hang_up(const FileDescriptor& descriptor) noexcept;

}  // namespace tenon::internal
