#include "platform/doorbell.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <ctime>

#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/hot.hpp"

namespace tenon::internal {

namespace {

static_assert(sizeof(std::atomic<std::uint32_t>) == 4);

std::uint32_t* address_of(const std::atomic<std::uint32_t>& word) noexcept {
  return reinterpret_cast<std::uint32_t*>(const_cast<std::atomic<std::uint32_t>*>(&word));
}

}  // namespace

TENON_HOT WaitResult wait_on_word(const std::atomic<std::uint32_t>& word, std::uint32_t expected,
                                  MonotonicNs deadline_ns) noexcept {
  constexpr MonotonicNs kNsPerSecond = 1'000'000'000;
  timespec until{};
  const timespec* limit = nullptr;
  if (deadline_ns != kNever) {
    const MonotonicNs at_ns = std::max<MonotonicNs>(deadline_ns, 0);
    until.tv_sec = static_cast<time_t>(at_ns / kNsPerSecond);
    until.tv_nsec = static_cast<long>(at_ns % kNsPerSecond);
    limit = &until;
  }
  // FUTEX_WAIT_BITSET takes an absolute time of CLOCK_MONOTONIC. FUTEX_PRIVATE_FLAG is not set,
  // because the waker is another process. A wait needs no write access to the page.
  const long code =
      ::syscall(SYS_futex, address_of(word), FUTEX_WAIT_BITSET, expected, limit, nullptr, FUTEX_BITSET_MATCH_ANY);
  return code != 0 && errno == ETIMEDOUT ? WaitResult::kTimeout : WaitResult::kWoken;
}

TENON_HOT void wake_word(const std::atomic<std::uint32_t>& word, int count) noexcept {
  ::syscall(SYS_futex, address_of(word), FUTEX_WAKE, count, nullptr, nullptr, 0);
}

unsigned usable_core_count() noexcept {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  if (::sched_getaffinity(0, sizeof cores, &cores) == 0) {
    const int count = CPU_COUNT(&cores);
    if (count > 0) {
      return static_cast<unsigned>(count);
    }
  }
  // The machine has more cores than the fixed-size set holds.
  const long online = ::sysconf(_SC_NPROCESSORS_ONLN);
  return online > 0 ? static_cast<unsigned>(online) : 1;
}

AdaptiveSpin::AdaptiveSpin() : AdaptiveSpin(Options{}) {}

AdaptiveSpin::AdaptiveSpin(const Options& options) {
  const unsigned cores = options.cores != 0 ? options.cores : usable_core_count();
  // On one core a spin only prevents the other side from running.
  limit_ns_ = cores > 1 ? std::max<std::int64_t>(options.limit_ns, 0) : 0;
  budget_ns_ = limit_ns_;
}

void AdaptiveSpin::learn(bool succeeded) noexcept {
  if (succeeded) {
    budget_ns_ = std::min(limit_ns_, budget_ns_ * 2);
  } else {
    budget_ns_ /= 2;
  }
}

}  // namespace tenon::internal
