#include "platform/reactor/poller.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <span>
#include <string>
#include <utility>

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "platform/resource_limits.hpp"

namespace tenon::internal {

namespace {

constexpr int kMaxEvents = 64;
/// Marks the bells of this library: the number of a signal that no bell ever sends, because an
/// eventfd does not support O_ASYNC. It belongs to the open file, so every process that has the
/// bell can read it.
constexpr int kBellMark = 59;

epoll_event event_for(std::uint64_t token, PollInterest interest) noexcept {
  epoll_event event{};
  event.events = (interest.readable ? EPOLLIN | EPOLLRDHUP : 0u) | (interest.writable ? EPOLLOUT : 0u) |
                 (interest.edge_triggered ? EPOLLET : 0u);
  event.data.u64 = token;
  return event;
}

/// Waits with microsecond precision if the system supports it (Linux 5.11; some containers reject
/// unknown system calls), otherwise with millisecond precision.
int wait_until(int descriptor, std::span<epoll_event> events, MonotonicNs deadline_ns) noexcept {
  const auto size = static_cast<int>(events.size());
  if (deadline_ns != kNever) {
    constexpr std::int64_t kSecond = 1'000'000'000;
    const std::int64_t left_ns = std::max<std::int64_t>(deadline_ns - monotonic_now_ns(), 0);
    const timespec left{.tv_sec = left_ns / kSecond, .tv_nsec = left_ns % kSecond};
    const int count = ::epoll_pwait2(descriptor, events.data(), size, &left, nullptr);
    if (count >= 0 || (errno != ENOSYS && errno != EPERM)) {
      return count;
    }
  }
  return ::epoll_wait(descriptor, events.data(), size, remaining_ms(deadline_ns));
}

bool take_counter(const FileDescriptor& descriptor) noexcept {
  std::uint64_t count = 0;
  ssize_t size = 0;
  do {
    size = ::read(descriptor.get(), &count, sizeof count);
  } while (size < 0 && errno == EINTR);
  return size == sizeof count && count != 0;
}

}  // namespace

Result<Poller> Poller::create() {
  FileDescriptor descriptor(::epoll_create1(EPOLL_CLOEXEC));
  if (!descriptor.valid()) {
    return fail(limit_error(errno, "cannot create a poller"));
  }
  return Poller(std::move(descriptor));
}

Result<void> Poller::add(const FileDescriptor& descriptor, std::uint64_t token, PollInterest interest) const {
  epoll_event event = event_for(token, interest);
  if (::epoll_ctl(descriptor_.get(), EPOLL_CTL_ADD, descriptor.get(), &event) != 0) {
    const int code = errno;
    Error error = os_error(code, "cannot watch descriptor " + std::to_string(descriptor.get()));
    if (code == EEXIST || code == EPERM || code == EBADF) {
      error.code = ErrorCode::kInvalidArgument;
    }
    return fail(std::move(error));
  }
  return {};
}

Result<void> Poller::modify(const FileDescriptor& descriptor, std::uint64_t token, PollInterest interest) const {
  epoll_event event = event_for(token, interest);
  if (::epoll_ctl(descriptor_.get(), EPOLL_CTL_MOD, descriptor.get(), &event) != 0) {
    return fail(os_error(errno, "cannot change the watch of descriptor " + std::to_string(descriptor.get())));
  }
  return {};
}

void Poller::remove(const FileDescriptor& descriptor) const noexcept {
  ::epoll_ctl(descriptor_.get(), EPOLL_CTL_DEL, descriptor.get(), nullptr);
}

Result<std::span<const PollEvent>> Poller::wait(MonotonicNs deadline_ns) {
  std::array<epoll_event, kMaxEvents> raw;
  for (;;) {
    const int count = wait_until(descriptor_.get(), raw, deadline_ns);
    if (count < 0 && errno != EINTR) {
      return fail(os_error(errno, "cannot wait for events"));
    }
    if (count <= 0) {
      if (remaining_ms(deadline_ns) == 0) {
        return std::span<const PollEvent>();
      }
      continue;
    }
    events_.clear();
    for (int i = 0; i < count; ++i) {
      const std::uint32_t bits = raw[static_cast<std::size_t>(i)].events;
      events_.push_back({.token = raw[static_cast<std::size_t>(i)].data.u64,
                         .readable = (bits & (EPOLLIN | EPOLLRDHUP)) != 0,
                         .writable = (bits & EPOLLOUT) != 0,
                         .hang_up = (bits & (EPOLLHUP | EPOLLERR | EPOLLRDHUP)) != 0});
    }
    return std::span<const PollEvent>(events_);
  }
}

Result<EventBell> EventBell::create() {
  FileDescriptor descriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!descriptor.valid()) {
    return fail(limit_error(errno, "cannot create an event bell"));
  }
  // A system without such marks leaves bells unmarked; BellRinger then detects less.
  static_cast<void>(::fcntl(descriptor.get(), F_SETSIG, kBellMark));
  return EventBell(std::move(descriptor));
}

void EventBell::ring() const noexcept {
  const int saved = errno;
  const std::uint64_t one = 1;
  ssize_t size = 0;
  do {
    size = ::write(descriptor_.get(), &one, sizeof one);
  } while (size < 0 && errno == EINTR);
  // A full counter means that the bell has already rung.
  errno = saved;
}

bool EventBell::drain() const noexcept {
  return take_counter(descriptor_);
}

BellRinger::BellRinger(EventBell bell) noexcept
    : bell_(std::move(bell)), mark_(bell_.valid() ? ::fcntl(bell_.descriptor().get(), F_GETSIG) : 0) {}

bool BellRinger::ring() const noexcept {
  if (!bell_.valid()) {
    return true;
  }
  const int saved = errno;
  const int number = bell_.descriptor().get();
  // A write to another file that has taken the number would damage it, so the mark is checked
  // first.
  bool rung = ::fcntl(number, F_GETSIG) == mark_;
  if (rung) {
    const std::uint64_t one = 1;
    ssize_t size = 0;
    do {
      size = ::write(number, &one, sizeof one);
    } while (size < 0 && errno == EINTR);
    // A full counter means that the bell has already rung.
    rung = size == sizeof one || (size < 0 && errno == EAGAIN);
  }
  errno = saved;
  return rung;
}

Result<Timer> Timer::create() {
  FileDescriptor descriptor(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!descriptor.valid()) {
    return fail(limit_error(errno, "cannot create a timer"));
  }
  return Timer(std::move(descriptor));
}

void Timer::set(MonotonicNs at_ns) const noexcept {
  constexpr MonotonicNs kNsPerSecond = 1'000'000'000;
  itimerspec when{};
  if (at_ns != kNever) {
    // Zero would disarm the timer.
    const MonotonicNs at = std::max<MonotonicNs>(at_ns, 1);
    when.it_value.tv_sec = static_cast<time_t>(at / kNsPerSecond);
    when.it_value.tv_nsec = static_cast<long>(at % kNsPerSecond);
  }
  ::timerfd_settime(descriptor_.get(), TFD_TIMER_ABSTIME, &when, nullptr);
}

bool Timer::drain() const noexcept {
  return take_counter(descriptor_);
}

}  // namespace tenon::internal
