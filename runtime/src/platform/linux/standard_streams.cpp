#include "platform/standard_streams.hpp"

#include <algorithm>
#include <cerrno>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "platform/resource_limits.hpp"

namespace tenon::internal {
namespace {

/// The interval at which a wait asks whether it is to end.
constexpr int kAskEveryMs = 100;

int descriptor(StandardStream stream) noexcept {
  switch (stream) {
    case StandardStream::kInput:
      return STDIN_FILENO;
    case StandardStream::kOutput:
      return STDOUT_FILENO;
    case StandardStream::kError:
      return STDERR_FILENO;
  }
  return STDERR_FILENO;
}

std::string_view stream_name(StandardStream stream) noexcept {
  switch (stream) {
    case StandardStream::kInput:
      return "standard input";
    case StandardStream::kOutput:
      return "standard output";
    case StandardStream::kError:
      return "standard error";
  }
  return "standard error";
}

}  // namespace

void reserve_standard_streams() noexcept {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (fcntl(fd, F_GETFD) == -1 && errno == EBADF) {
      // open() takes the lowest free number, which is fd. The wrong direction makes each use fail
      // with EBADF.
      const int opened = open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
      if (opened != -1 && opened != fd) {
        close(opened);
      }
    }
  }
}

Result<FileDescriptor> duplicate(StandardStream stream) {
  const int copy = ::fcntl(descriptor(stream), F_DUPFD_CLOEXEC, 0);
  if (copy < 0) {
    return fail(os_error(errno, "cannot duplicate " + std::string(stream_name(stream))));
  }
  return FileDescriptor(copy);
}

Result<FileDescriptor> take_inherited(std::uint64_t number) {
  const bool possible = number > STDERR_FILENO && number <= static_cast<std::uint64_t>(std::numeric_limits<int>::max());
  const int descriptor = possible ? static_cast<int>(number) : -1;
  const int flags = possible ? ::fcntl(descriptor, F_GETFD) : -1;
  // A close-on-exec descriptor was opened by this program itself.
  if (flags < 0 || (flags & FD_CLOEXEC) != 0) {
    return fail(ErrorCode::kInvalidArgument,
                std::to_string(number) + " is not an inherited descriptor with a number of 3 or more");
  }
  FileDescriptor taken(descriptor);
  ::fcntl(descriptor, F_SETFD, FD_CLOEXEC);
  return taken;
}

Result<FileDescriptor> take_standard_input() {
  FileDescriptor taken(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0));
  const FileDescriptor empty(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (!taken.valid() || !empty.valid() || ::dup2(empty.get(), STDIN_FILENO) < 0) {
    return fail(os_error(errno, "cannot take over standard input"));
  }
  return taken;
}

bool is_terminal(StandardStream stream) noexcept {
  return isatty(descriptor(stream)) == 1;
}

unsigned terminal_width(StandardStream stream) noexcept {
  constexpr unsigned kUnknown = 80;
  winsize size{};
  if (ioctl(descriptor(stream), TIOCGWINSZ, &size) != 0 || size.ws_col == 0) {
    return kUnknown;
  }
  return size.ws_col;
}

namespace {

/// The error that a failed write means; nullopt: try again.
std::optional<Error> write_error(int os_code, StandardStream stream) {
  if (os_code == EINTR) {
    return std::nullopt;
  }
  // Another process made the shared pipe non-blocking.
  if (os_code == EAGAIN || os_code == EWOULDBLOCK) {
    pollfd waiting{descriptor(stream), POLLOUT, 0};
    poll(&waiting, 1, -1);
    return std::nullopt;
  }
  if (os_code == EPIPE) {
    Error error{ErrorCode::kUnavailable, std::string(stream_name(stream)) + " has no reader any more", {}};
    error.context.os_code = os_code;
    return error;
  }
  return limit_error(os_code, "cannot write to " + std::string(stream_name(stream)));
}

}  // namespace

Result<void> write_standard(StandardStream stream, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(descriptor(stream), text.data(), text.size());
    if (written >= 0) {
      text.remove_prefix(static_cast<std::size_t>(written));
    } else if (auto error = write_error(errno, stream)) {
      return fail(std::move(*error));
    }
  }
  return {};
}

Result<void> write_standard(StandardStream stream, std::string_view text, const std::function<bool()>& stop) {
  const int fd = descriptor(stream);
  struct stat status {};
  if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) {
    return write_standard(stream, text);
  }
  while (!text.empty()) {
    pollfd waiting{fd, POLLOUT, 0};
    if (poll(&waiting, 1, kAskEveryMs) <= 0) {
      if (stop()) {
        return fail(ErrorCode::kCancelled, "interrupted while " + std::string(stream_name(stream)) + " was not read");
      }
      continue;
    }
    // A writable pipe accepts this many bytes without blocking. The stream itself is not made
    // non-blocking, because that would affect every process that shares it.
    const ssize_t written = write(fd, text.data(), std::min<std::size_t>(text.size(), PIPE_BUF));
    if (written >= 0) {
      text.remove_prefix(static_cast<std::size_t>(written));
      continue;
    }
    const int os_code = errno;
    if (os_code == EAGAIN || os_code == EWOULDBLOCK) {
      continue;
    }
    if (auto error = write_error(os_code, stream)) {
      return fail(std::move(*error));
    }
    if (stop()) {
      return fail(ErrorCode::kCancelled, "interrupted while " + std::string(stream_name(stream)) + " was not read");
    }
  }
  return {};
}

Result<std::size_t> read_standard_input(MutableBytesView buffer) {
  for (;;) {
    const ssize_t count = read(STDIN_FILENO, buffer.data(), buffer.size());
    if (count >= 0) {
      return static_cast<std::size_t>(count);
    }
    if (errno == EINTR) {
      return fail(ErrorCode::kCancelled, "interrupted while reading standard input");
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      pollfd waiting{STDIN_FILENO, POLLIN, 0};
      if (poll(&waiting, 1, -1) == -1 && errno == EINTR) {
        return fail(ErrorCode::kCancelled, "interrupted while reading standard input");
      }
      continue;
    }
    return fail(os_error(errno, "cannot read standard input"));
  }
}

Result<std::size_t> read_standard_input(MutableBytesView buffer, const std::function<bool()>& stop) {
  while (!stop()) {
    pollfd waiting{STDIN_FILENO, POLLIN, 0};
    if (poll(&waiting, 1, kAskEveryMs) <= 0) {
      continue;
    }
    const ssize_t count = read(STDIN_FILENO, buffer.data(), buffer.size());
    if (count >= 0) {
      return static_cast<std::size_t>(count);
    }
    // Another process may have taken the bytes of a shared stream.
    if (errno != EINTR && errno != EAGAIN && errno != EWOULDBLOCK) {
      return fail(os_error(errno, "cannot read standard input"));
    }
  }
  return fail(ErrorCode::kCancelled, "interrupted while reading standard input");
}

}  // namespace tenon::internal
