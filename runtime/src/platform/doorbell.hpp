/// Sleeping on, and waking through, a word of shared memory.
///
/// The protocol of ipc/ (one sleeper, one ringer) is built on these; see ipc/DESIGN.md.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/clock.hpp"

namespace tenon::internal {

/// How a wait ended.
enum class WaitResult {
  kWoken,    ///< The word has, or may have, another value: look again.
  kTimeout,  ///< The deadline passed.
};

/// Sleeps while `word` holds `expected`, until woken or `deadline_ns`. The word may lie in shared memory that is mapped
/// read-only here. May return kWoken without a cause. A word that cannot be waited on counts as woken. [any-thread]
[[nodiscard]] WaitResult wait_on_word(const std::atomic<std::uint32_t>& word, std::uint32_t expected,
                                      MonotonicNs deadline_ns) noexcept;

/// Wakes up to `count` threads of any process that sleep on `word`. [any-thread]
void wake_word(const std::atomic<std::uint32_t>& word, int count) noexcept;

/// Cores this process may run on, at least 1; asked once per call. [any-thread]
[[nodiscard]] unsigned usable_core_count() noexcept;

/// A hint to the core that this is a spin loop. [any-thread]
inline void cpu_relax() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield" ::: "memory");
#endif
}

/// Decides how long to look before sleeping. With one core it never spins. It learns: a spin that ended in vain makes
/// the next ones shorter, down to none; one that succeeded makes them longer, up to the limit. So an idle side stops
/// spinning after a few vain tries, and a busy one sleeps never. One per waiting thread; not thread-safe.
class AdaptiveSpin {
 public:
  struct Options {
    /// Longest spin; near the cost of one sleep and wake-up, beyond which sleeping is cheaper.
    std::int64_t limit_ns = 50'000;
    /// 0: asks the system.
    unsigned cores = 0;
  };
  AdaptiveSpin();
  explicit AdaptiveSpin(const Options& options);

  /// Looks for `ready()` for as long as it pays. Returns whether it came true.
  template <typename Ready>
  [[nodiscard]] bool spin(Ready ready) {
    if (ready()) {
      return true;
    }
    bool probe = false;
    if (budget_ns_ < kSmallestSpinNs) {
      // Now and then a try, or it would never learn that the other side has become quick; as long as may be, because
      // the other side sleeps as well and has to be woken first.
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
