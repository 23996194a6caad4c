#include "platform/interrupts.hpp"

#include <array>
#include <cerrno>

#include <signal.h>

namespace tenon::internal {
namespace {

constexpr std::array<int, 2> kSignals = {SIGINT, SIGTERM};

/// All state that the signal handler accesses; it must have static storage.
struct State {
  std::atomic<bool> taken{false};
  std::atomic<int> count{0};
  std::array<struct sigaction, kSignals.size()> previous{};
};

State& state() noexcept {
  static constinit State instance;
  return instance;
}

static_assert(std::atomic<int>::is_always_lock_free, "a signal handler may only use lock-free atomics");

extern "C" void count_interrupt(int signal_number) {
  const int saved_errno = errno;
  // Relaxed: only the count itself matters.
  if (state().count.fetch_add(1, std::memory_order_relaxed) + 1 >= InterruptCounter::kLimit) {
    struct sigaction action {};
    action.sa_handler = SIG_DFL;
    sigemptyset(&action.sa_mask);
    sigaction(signal_number, &action, nullptr);
  }
  errno = saved_errno;
}

}  // namespace

Result<InterruptCounter> InterruptCounter::install() {
  if (state().taken.exchange(true, std::memory_order_acq_rel)) {
    return fail(ErrorCode::kRejected, "interrupts are already counted by another InterruptCounter");
  }
  state().count.store(0, std::memory_order_relaxed);
  struct sigaction action {};
  action.sa_handler = &count_interrupt;
  sigemptyset(&action.sa_mask);
  action.sa_flags = 0;  // No SA_RESTART: a blocked read of standard input returns.
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    if (sigaction(kSignals[i], &action, &state().previous[i]) != 0) {
      const int os_code = errno;
      while (i-- > 0) {
        sigaction(kSignals[i], &state().previous[i], nullptr);
      }
      state().taken.store(false, std::memory_order_release);
      return fail(os_error(os_code, "cannot install the handler for interrupts"));
    }
  }
  return InterruptCounter();
}

InterruptCounter::InterruptCounter(InterruptCounter&& other) noexcept : installed_(other.installed_) {
  other.installed_ = false;
}

InterruptCounter::~InterruptCounter() {
  if (!installed_) {
    return;
  }
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    sigaction(kSignals[i], &state().previous[i], nullptr);
  }
  state().taken.store(false, std::memory_order_release);
}

const std::atomic<int>& InterruptCounter::count() const noexcept {
  return state().count;
}

}  // namespace tenon::internal
