#include "platform/host_watch.hpp"

#include <algorithm>
#include <array>
#include <cerrno>

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "platform/debugger.hpp"
#include "platform/resource_limits.hpp"

namespace tenon::internal {

namespace {

constexpr int kParentCheckMs = 1000;

}  // namespace

Result<HostWatch> HostWatch::create(const ControlChannel& channel) {
  FileDescriptor timer(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!timer.valid()) {
    return fail(limit_error(errno, "cannot create a timer"));
  }
  timer.move_out_of_reach();
  return HostWatch(channel.descriptor().get(), std::move(timer), ::getppid());
}

void HostWatch::separate() noexcept {
  if (::unshare(CLONE_FILES) != 0) {
    return;
  }
  separate_ = true;
  std::array kept = {STDERR_FILENO, channel_, timer_.get()};
  std::sort(kept.begin(), kept.end());
  unsigned first = 0;
  for (const int number : kept) {
    const auto next = static_cast<unsigned>(number);
    if (next > first) {
      ::close_range(first, next - 1, 0);
    }
    first = next + 1;
  }
  ::close_range(first, ~0U, 0);
}

bool HostWatch::parent_lives() const noexcept {
  return ::getppid() == parent_;
}

HostWatch::Event HostWatch::wait() noexcept {
  for (;;) {
    // No events are requested on the channel: waiting messages do not end the wait, while a hang-up
    // always does.
    std::array<pollfd, 2> entries = {pollfd{.fd = channel_, .events = 0, .revents = 0},
                                     pollfd{.fd = timer_.get(), .events = POLLIN, .revents = 0}};
    const int count = ::poll(entries.data(), entries.size(), separate_ ? -1 : kParentCheckMs);
    if (!parent_lives()) {
      return Event::kHostGone;
    }
    if (count <= 0) {
      continue;
    }
    if ((entries[0].revents & (POLLHUP | POLLERR)) != 0) {
      return Event::kChannelLost;
    }
    if ((entries[0].revents & POLLNVAL) != 0) {
      // A task closed it in the shared table: only the check of the parent remains.
      channel_ = -1;
    }
    if (std::uint64_t expirations = 0; (entries[1].revents & POLLIN) != 0 &&
                                       ::read(timer_.get(), &expirations, sizeof expirations) == sizeof expirations) {
      return Event::kTimer;
    }
    if (!separate_ && (entries[1].revents & (POLLNVAL | POLLIN)) != 0) {
      ::usleep(kParentCheckMs * 1000);  // Another file has the timer's number.
    }
  }
}

bool HostWatch::debugged() const noexcept {
  return debugger_attached(::getpid());
}

void HostWatch::say(std::string_view line) const noexcept {
  // Unwritten output is lost, because the process is about to exit.
  static_cast<void>(!::write(STDERR_FILENO, line.data(), line.size()));
}

void HostWatch::set_timer(std::chrono::nanoseconds after) noexcept {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(after);
  const itimerspec time{.it_interval = {}, .it_value = {seconds.count(), (after - seconds).count()}};
  ::timerfd_settime(timer_.get(), 0, &time, nullptr);
}

}  // namespace tenon::internal
