/// host/intake.hpp: calls that threads leave with the thread that holds the scheduler's lock, instead of waiting for
/// it.
#pragma once

#include <atomic>
#include <cstdint>

#include "host/call.hpp"

namespace tenon::internal {

/// Open only while a thread holds the lock that has promised to take in what is left before it releases it. So the
/// thread that gets the lock finds the intake closed and empty: nothing that was submitted before is ever overlooked.
class Intake {
 public:
  Intake() = default;
  Intake(const Intake&) = delete;
  Intake& operator=(const Intake&) = delete;

  /// Leaves a call with the thread that holds the lock. False: there is none that takes calls in, or no more room; the
  /// caller still has the call and must lock. [any-thread]
  [[nodiscard]] bool leave(CallRef& call) noexcept;
  /// Threads have met at the lock: from now on it is worth opening. [any-thread]
  void note_contention() noexcept { wanted_.store(true, std::memory_order_relaxed); }
  [[nodiscard]] bool wanted() const noexcept { return wanted_.load(std::memory_order_relaxed); }

  // -- for the thread that holds the lock -----------------------------------------------------------

  /// Takes up to `room` calls from now on, those included that are taken out meanwhile.
  void open(std::uint32_t room) noexcept;
  [[nodiscard]] bool is_open() const noexcept { return last_.load(std::memory_order_relaxed) != &closed_; }
  /// The calls left since, linked by Call::next in the order in which they came; the references are the caller's. Null:
  /// there were none, and the intake is closed.
  [[nodiscard]] Call* take_or_close() noexcept;

 private:
  [[nodiscard]] static Call* in_order(void* last) noexcept;

  // Each points to the one left before it. void, as it may point to `closed_`, which is not a call.
  char closed_ = 0;
  std::atomic<void*> last_{&closed_};
  // Relaxed: a bound. A thread that was stopped after it took its place here may exceed a later one by its call.
  std::atomic<std::int32_t> room_{0};
  std::atomic<bool> wanted_{false};  // Relaxed: what is seen late costs a wait.
};

}  // namespace tenon::internal
