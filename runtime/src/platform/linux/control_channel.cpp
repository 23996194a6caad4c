#include "platform/control_channel.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/text.hpp"
#include "platform/resource_limits.hpp"

namespace tenon::internal {

namespace {

constexpr std::size_t kControlBytes = CMSG_SPACE(kMaxControlDescriptors * sizeof(int));

Error gone() {
  return Error{ErrorCode::kUnavailable, "the other end of the control channel is closed: its process has ended", {}};
}

bool means_gone(int code) noexcept {
  return code == EPIPE || code == ECONNRESET || code == ENOTCONN;
}

/// Waits for `events`. Returns the events that occurred; 0 at the deadline.
short wait_for(int descriptor, short events, MonotonicNs deadline_ns) noexcept {
  for (;;) {
    pollfd entry{.fd = descriptor, .events = events, .revents = 0};
    const int count = ::poll(&entry, 1, remaining_ms(deadline_ns));
    if (count > 0) {
      return entry.revents;
    }
    if (count == 0 && remaining_ms(deadline_ns) == 0) {
      return 0;
    }
    if (count < 0 && errno != EINTR && errno != EAGAIN) {
      return POLLERR;
    }
  }
}

}  // namespace

Result<std::pair<ControlChannel, ControlChannel>> ControlChannel::create_pair() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return fail(limit_error(errno, "cannot create a control channel"));
  }
  return std::pair(ControlChannel(FileDescriptor(ends[0])), ControlChannel(FileDescriptor(ends[1])));
}

Result<ControlChannel> ControlChannel::adopt(FileDescriptor descriptor) {
  int domain = 0;
  int type = 0;
  socklen_t size = sizeof domain;
  const bool known = ::getsockopt(descriptor.get(), SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 &&
                     ::getsockopt(descriptor.get(), SOL_SOCKET, SO_TYPE, &type, &size) == 0;
  if (!known || domain != AF_UNIX || type != SOCK_SEQPACKET) {
    return fail(ErrorCode::kInvalidArgument,
                "the descriptor is not a control channel (a Unix socket of type SOCK_SEQPACKET)");
  }
  descriptor.move_out_of_reach();
  ControlChannel channel(std::move(descriptor));
  channel.adopted_ = channel.identity();
  return channel;
}

std::optional<ControlChannel::Identity> ControlChannel::identity() const noexcept {
  struct stat state {};
  if (::fstat(descriptor_.get(), &state) != 0) {
    return std::nullopt;
  }
  return Identity{state.st_dev, state.st_ino};
}

Result<void> ControlChannel::send(BytesView message, std::span<const int> descriptors, MonotonicNs deadline_ns) const {
  if (message.empty()) {
    return fail(ErrorCode::kInvalidArgument, "a control message needs at least one byte");
  }
  if (message.size() > kMaxControlMessageBytes || descriptors.size() > kMaxControlDescriptors) {
    return fail(ErrorCode::kTooLarge, "a control message of " + format_size(message.size()) + " with " +
                                          count_of(descriptors.size(), "descriptor", "descriptors") +
                                          " is over the limit of " + format_size(kMaxControlMessageBytes) + " and " +
                                          std::to_string(kMaxControlDescriptors) + "; send it as shared memory");
  }
  iovec part{.iov_base = const_cast<std::uint8_t*>(message.data()), .iov_len = message.size()};
  alignas(cmsghdr) std::array<std::uint8_t, kControlBytes> control{};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  if (!descriptors.empty()) {
    header.msg_control = control.data();
    header.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
    cmsghdr* item = CMSG_FIRSTHDR(&header);
    item->cmsg_level = SOL_SOCKET;
    item->cmsg_type = SCM_RIGHTS;
    item->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    std::memcpy(CMSG_DATA(item), descriptors.data(), descriptors.size_bytes());
  }
  for (;;) {
    // A packet is sent whole or not at all.
    if (::sendmsg(descriptor_.get(), &header, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) {
      return {};
    }
    const int code = errno;
    if (means_gone(code)) {
      return fail(gone());
    }
    if (code == EAGAIN || code == EWOULDBLOCK) {
      // A deadline of zero only polls, and that has just happened.
      if (deadline_ns <= 0 || wait_for(descriptor_.get(), POLLOUT, deadline_ns) == 0) {
        return fail(ErrorCode::kDeadline, "the other end of the control channel does not read its messages");
      }
    } else if (code == ETOOMANYREFS) {
      Error error = os_error(code, "cannot send descriptors over the control channel");
      error.code = ErrorCode::kUnavailable;
      error.message += "; too many are in transit: raise 'ulimit -n'";
      return fail(std::move(error));
    } else if (code != EINTR) {
      return fail(os_error(code, "cannot send on the control channel"));
    }
  }
}

Result<std::optional<ControlMessage>> ControlChannel::receive(MonotonicNs deadline_ns) {
  if (adopted_ && identity() != adopted_) {
    return fail(ErrorCode::kIo,
                "the descriptor of the control channel was closed or replaced by other code in this process; a task "
                "must not touch descriptors that it did not open");
  }
  ControlMessage message;
  std::array<std::uint8_t, 16> nowhere;
  alignas(cmsghdr) std::array<std::uint8_t, kControlBytes> control;
  for (;;) {
    // Peeks at the size first, so that a small message, as most are, does not need a large buffer.
    const ssize_t size = ::recv(descriptor_.get(), nowhere.data(), 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
    if (size < 0) {
      const int code = errno;
      if (means_gone(code)) {
        return fail(gone());
      }
      if (code == EAGAIN || code == EWOULDBLOCK) {
        if (deadline_ns <= 0 || wait_for(descriptor_.get(), POLLIN, deadline_ns) == 0) {
          return std::optional<ControlMessage>();
        }
      } else if (code != EINTR) {
        return fail(os_error(code, "cannot receive on the control channel"));
      }
      continue;
    }
    message.bytes.resize(std::min<std::size_t>(static_cast<std::size_t>(size), kMaxControlMessageBytes));
    iovec part{.iov_base = message.bytes.empty() ? nowhere.data() : message.bytes.data(),
               .iov_len = message.bytes.size()};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    const ssize_t count = ::recvmsg(descriptor_.get(), &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT | MSG_TRUNC);
    if (count < 0) {
      if (means_gone(errno)) {
        return fail(gone());
      }
      if (errno == EINTR || errno == EAGAIN) {
        continue;
      }
      return fail(os_error(errno, "cannot receive on the control channel"));
    }
    for (cmsghdr* item = CMSG_FIRSTHDR(&header); item != nullptr; item = CMSG_NXTHDR(&header, item)) {
      if (item->cmsg_level != SOL_SOCKET || item->cmsg_type != SCM_RIGHTS) {
        continue;
      }
      const std::size_t number_count = (item->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      for (std::size_t i = 0; i < number_count; ++i) {
        int number = -1;
        std::memcpy(&number, CMSG_DATA(item) + i * sizeof(int), sizeof number);
        message.descriptors.emplace_back(number);
      }
    }
    if (count == 0 && message.descriptors.empty() && (header.msg_flags & MSG_TRUNC) == 0 && hung_up()) {
      return fail(gone());
    }
    if (count == 0) {
      return fail(ErrorCode::kCorrupt, "a control message is empty");
    }
    if ((header.msg_flags & MSG_TRUNC) != 0 || static_cast<std::size_t>(count) > kMaxControlMessageBytes) {
      return fail(ErrorCode::kCorrupt, "a control message is larger than " + format_size(kMaxControlMessageBytes));
    }
    if ((header.msg_flags & MSG_CTRUNC) != 0) {
      return fail(
          ErrorCode::kCorrupt,
          "a control message lost descriptors: there were too many, or this process can open no more ('ulimit -n')");
    }
    return message;
  }
}

bool ControlChannel::hung_up() const noexcept {
  return wait_for_hang_up(monotonic_now_ns());
}

bool ControlChannel::wait_for_hang_up(MonotonicNs deadline_ns) const noexcept {
  // No events are requested: waiting messages do not end the wait, while a hang-up is always
  // reported.
  return (wait_for(descriptor_.get(), 0, deadline_ns) & (POLLHUP | POLLERR | POLLNVAL)) != 0;
}

void ControlChannel::stop_receiving() noexcept {
  ::shutdown(descriptor_.get(), SHUT_RD);
}

void ControlChannel::shut_down() noexcept {
  ::shutdown(descriptor_.get(), SHUT_RDWR);
}

}  // namespace tenon::internal
