/// Waiting on a word of shared memory, and waking its waiters.
///
/// The protocol of ipc/ (one waiter, one waker) is built on these; see ipc/DESIGN.md.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/clock.hpp"

namespace tenon::internal {

/// How a wait ended.
enum class WaitResult {
  kWoken,    ///< The word has, or may have, another value: check it again.
  kTimeout,  ///< The deadline passed.
};

/// Sleeps while `word` holds `expected`, until woken or `deadline_ns`. The word may lie in shared
/// memory that is mapped read-only here. May return kWoken spuriously. A word that cannot be waited
/// on counts as woken. [any-thread]
[[nodiscard]] WaitResult wait_on_word(const std::atomic<std::uint32_t>& word, std::uint32_t expected,
                                      MonotonicNs deadline_ns) noexcept;

/// Wakes up to `count` threads of any process that sleep on `word`. [any-thread]
void wake_word(const std::atomic<std::uint32_t>& word, int count) noexcept;

/// Number of cores this process may run on, at least 1; each call queries the system. [any-thread]
[[nodiscard]] unsigned usable_core_count() noexcept;

/// A hint to the core that this is a spin loop. [any-thread]
inline void cpu_relax() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield" ::: "memory");
#endif
}

/// Decides how long to spin before sleeping. With one core it never spins. It adapts: a spin that
/// fails makes the next ones shorter, down to none; one that succeeds makes them longer, up to the
/// limit. An idle thread therefore stops spinning after a few attempts, and a busy one never
/// sleeps. One per waiting thread; not thread-safe.
class AdaptiveSpin {
 public:
  struct Options {
    /// Longest spin. It is near the cost of one sleep and wake-up, beyond which sleeping is
    /// cheaper.
    std::int64_t limit_ns = 50'000;
    /// 0: queries the system.
    unsigned cores = 0;
  };
  AdaptiveSpin();
  explicit AdaptiveSpin(const Options& options);

  /// Polls `ready()` for as long as spinning pays off. Returns whether it became true.
  template <typename Ready>
  [[nodiscard]] bool spin(Ready ready) {
    if (ready()) {
      return true;
    }
    bool probe = false;
    if (budget_ns_ < kSmallestSpinNs) {
      // Probes once in a while; otherwise it would never learn that the other side has become fast.
      // The probe has full length, because the other side sleeps too and has to be woken first.
      if (++sleeps_ < kSleepsPerProbe || limit_ns_ == 0) {
        return false;
      }
      sleeps_ = 0;
      probe = true;
      budget_ns_ = limit_ns_;
    }
    const MonotonicNs end_ns = monotonic_now_ns() + budget_ns_;
    do {
      for (int look = 0; look < kLooksPerClock; ++look) {
        cpu_relax();
        if (ready()) {
          learn(true);
          return true;
        }
      }
    } while (monotonic_now_ns() < end_ns);
    learn(false);
    if (probe) {
      budget_ns_ = 0;
    }
    return false;
  }

  /// How long the next spin may last.
  [[nodiscard]] std::int64_t budget_ns() const noexcept { return budget_ns_; }

 private:
  static constexpr std::int64_t kSmallestSpinNs = 1'000;
  static constexpr int kLooksPerClock = 16;
  static constexpr int kSleepsPerProbe = 16;
  void learn(bool succeeded) noexcept;
  std::int64_t limit_ns_;
  std::int64_t budget_ns_;
  int sleeps_ = 0;
};

}  // namespace tenon::internal
