#include "platform/service_signals.hpp"

#include <cerrno>

#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

namespace tenon::internal {
namespace {

sigset_t service_signals() noexcept {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGHUP);
  return signals;
}

}  // namespace

Result<ServiceSignals> ServiceSignals::hold() {
  const sigset_t signals = service_signals();
  FileDescriptor descriptor(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!descriptor.valid()) {
    return fail(os_error(errno, "cannot wait for signals"));
  }
  if (const int code = ::pthread_sigmask(SIG_BLOCK, &signals, nullptr); code != 0) {
    return fail(os_error(code, "cannot block signals"));
  }
  return ServiceSignals(std::move(descriptor));
}

ServiceSignals::~ServiceSignals() {
  if (descriptor_.valid()) {
    const sigset_t signals = service_signals();
    ::pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
  }
}

ServiceSignals::Seen ServiceSignals::take() const noexcept {
  Seen seen;
  for (;;) {
    signalfd_siginfo info{};
    const ssize_t size = ::read(descriptor_.get(), &info, sizeof info);
    if (size < 0 && errno == EINTR) {
      continue;
    }
    if (size != sizeof info) {
      return seen;
    }
    if (info.ssi_signo == SIGHUP) {
      seen.reload = true;
    } else {
      ++seen.stops;
    }
  }
}

}  // namespace tenon::internal
