#include "platform/file_descriptor.hpp"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <optional>

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "platform/resource_limits.hpp"

namespace tenon::internal {

void FileDescriptor::reset() noexcept {
  if (number_ >= 0) {
    // Not repeated after EINTR: on Linux the descriptor is closed anyway, and its number may
    // already be reused.
    ::close(std::exchange(number_, -1));
  }
}

Result<FileDescriptor> FileDescriptor::duplicate() const {
  const int copy = ::fcntl(number_, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) {
    return fail(limit_error(errno, "cannot duplicate a descriptor"));
  }
  return FileDescriptor(copy);
}

void FileDescriptor::move_out_of_reach() noexcept {
  // Above the common limit of 1024 that loops use, but near it: the kernel's table grows with the
  // largest number.
  constexpr rlim_t kBeyondLoops = 1040;
  constexpr rlim_t kNearLimit = 16;
  rlimit limit{};
  if (number_ < 0 || ::getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return;
  }
  const rlim_t wanted =
      limit.rlim_cur >= kBeyondLoops + kNearLimit ? kBeyondLoops : std::max(limit.rlim_cur, kNearLimit) - kNearLimit;
  if (static_cast<rlim_t>(number_) >= wanted) {
    return;
  }
  const int moved = ::fcntl(number_, F_DUPFD_CLOEXEC, static_cast<int>(wanted));
  if (moved >= 0) {
    reset();
    number_ = moved;
  }
}

Result<std::size_t> read_some(const FileDescriptor& descriptor, std::span<std::uint8_t> buffer) {
  for (;;) {
    const ssize_t count = ::read(descriptor.get(), buffer.data(), buffer.size());
    if (count >= 0) {
      return static_cast<std::size_t>(count);
    }
    if (errno != EINTR) {
      return fail(os_error(errno, "cannot read"));
    }
  }
}

Result<std::size_t> read_some_at(const FileDescriptor& descriptor, std::uint64_t offset_bytes,
                                 std::span<std::uint8_t> buffer) {
  for (;;) {
    const ssize_t count = ::pread(descriptor.get(), buffer.data(), buffer.size(), static_cast<off_t>(offset_bytes));
    if (count >= 0) {
      return static_cast<std::size_t>(count);
    }
    if (errno != EINTR) {
      return fail(os_error(errno, "cannot read"));
    }
  }
}

Result<void> write_all(const FileDescriptor& descriptor, std::span<const std::uint8_t> bytes) {
  bool is_socket = true;
  std::optional<FileSizeErrors> no_signal;
  while (!bytes.empty()) {
    const ssize_t count = is_socket ? ::send(descriptor.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL)
                                    : ::write(descriptor.get(), bytes.data(), bytes.size());
    if (count >= 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(count));
    } else if (is_socket && errno == ENOTSOCK) {
      is_socket = false;
      no_signal.emplace();
    } else if (errno != EINTR) {
      return fail(errno == EFBIG ? limit_error(errno, "cannot write") : os_error(errno, "cannot write"));
    }
  }
  return {};
}

Result<void> set_non_blocking(const FileDescriptor& descriptor, bool non_blocking) {
  const int flags = ::fcntl(descriptor.get(), F_GETFL);
  if (flags < 0) {
    return fail(os_error(errno, "cannot read the flags of a descriptor"));
  }
  const int wanted = non_blocking ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
  if (wanted != flags && ::fcntl(descriptor.get(), F_SETFL, wanted) < 0) {
    return fail(os_error(errno, "cannot set the flags of a descriptor"));
  }
  return {};
}

DescriptorLimit descriptor_limit() noexcept {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return {.soft = RLIM_INFINITY, .hard = RLIM_INFINITY};
  }
  return {.soft = limit.rlim_cur, .hard = limit.rlim_max};
}

Result<std::size_t> open_descriptor_count() {
  DIR* directory = ::opendir("/proc/self/fd");
  if (directory == nullptr) {
    return fail(limit_error(errno, "cannot list /proc/self/fd"));
  }
  std::size_t count = 0;
  while (const dirent* entry = ::readdir(directory)) {
    if (entry->d_name[0] != '.') {
      ++count;
    }
  }
  ::closedir(directory);
  return count - 1;  // The directory itself was one of them.
}

void wait_for_hang_up(const FileDescriptor& descriptor) noexcept {
  for (;;) {
    // No events are requested: a hang-up is always reported.
    pollfd entry{.fd = descriptor.get(), .events = 0, .revents = 0};
    if (::poll(&entry, 1, -1) > 0) {
      return;
    }
  }
}

}  // namespace tenon::internal
