/// base/ranked_mutex.hpp: mutexes that a thread takes in one order only.
///
///   enum class Rank : std::uint8_t { kOuter, kInner };
///   RankedMutex<Rank::kOuter> outer;
///   RankedMutex<Rank::kInner> inner;    // may be locked while `outer` is held, never the other way round
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <mutex>

namespace tenon::internal {

/// Whether the order of locks is checked: in builds with assertions.
#ifdef NDEBUG
inline constexpr bool kLockOrderChecked = false;
#else
inline constexpr bool kLockOrderChecked = true;
#endif

/// The ranks of the mutexes that a thread holds; below 64.
class HeldRanks {
 public:
  /// Whether a mutex of this rank may be locked: all held mutexes have lower ranks.
  [[nodiscard]] bool allow(unsigned rank) const noexcept { return (held_ >> rank) == 0; }
  void add(unsigned rank) noexcept { held_ |= std::uint64_t{1} << rank; }
  void remove(unsigned rank) noexcept { held_ &= ~(std::uint64_t{1} << rank); }
  /// The held ranks, one bit for each.
  [[nodiscard]] std::uint64_t bits() const noexcept { return held_; }

  /// The ranks that the calling thread holds.
  [[nodiscard]] static HeldRanks& of_this_thread() noexcept {
    static thread_local HeldRanks ranks;
    return ranks;
  }

 private:
  std::uint64_t held_ = 0;
};

/// A mutex with a rank, which is an enumerator. If a thread locks it while it holds a mutex of the same or a higher
/// rank, the program aborts with a message instead of risking a deadlock. Without the check, it is a std::mutex.
/// [any-thread]
template <auto kRank, bool kChecked = kLockOrderChecked>
class RankedMutex {
 public:
  static constexpr auto kNumber = static_cast<unsigned>(kRank);
  static_assert(kNumber < 64);

  void lock() {
    check();
    mutex_.lock();
    note_held();
  }
  [[nodiscard]] bool try_lock() {
    check();
    const bool locked = mutex_.try_lock();
    if (locked) {
      note_held();
    }
    return locked;
  }
  void unlock() {
    mutex_.unlock();
    if constexpr (kChecked) {
      HeldRanks::of_this_thread().remove(kNumber);
    }
  }
  /// For condition variables. The rank stays held while the thread waits.
  [[nodiscard]] std::mutex& native() noexcept { return mutex_; }

 private:
  static void check() {
    if constexpr (kChecked) {
      const HeldRanks& held = HeldRanks::of_this_thread();
      if (!held.allow(kNumber)) {
        std::fprintf(stderr, "a lock of rank %u is taken while locks of the ranks 0x%llx are held (bit per rank)\n",
                     kNumber, static_cast<unsigned long long>(held.bits()));
        std::abort();
      }
    }
  }
  static void note_held() noexcept {
    if constexpr (kChecked) {
      HeldRanks::of_this_thread().add(kNumber);
    }
  }

  std::mutex mutex_;
};

}  // namespace tenon::internal
