/// host/intake.hpp: calls that threads leave with the thread that holds the scheduler's lock, instead of waiting for
/// it.
#pragma once

#include <atomic>
#include <cstdint>

#include "host/call.hpp"

namespace tenon::internal {

/// Open only while the lock is held by a thread that has promised to take in all calls left before it releases the
/// lock. So the next holder finds the intake closed and empty, and no earlier submission is ever overlooked.
class Intake {
 public:
  Intake() = default;
  Intake(const Intake&) = delete;
  Intake& operator=(const Intake&) = delete;

  /// Leaves a call with the holder of the lock. False: no holder takes calls in, or there is no more room; the caller
  /// still has the call and must lock. [any-thread]
  [[nodiscard]] bool leave(CallRef& call) noexcept;
  /// Notes that threads have met at the lock, so that opening the intake is worthwhile from now on. [any-thread]
  void note_contention() noexcept { wanted_.store(true, std::memory_order_relaxed); }
  [[nodiscard]] bool wanted() const noexcept { return wanted_.load(std::memory_order_relaxed); }

  // -- for the thread that holds the lock -----------------------------------------------------------

  /// Accepts up to `room` calls from now on, including those already taken out meanwhile.
  void open(std::uint32_t room) noexcept;
  [[nodiscard]] bool is_open() const noexcept { return last_.load(std::memory_order_relaxed) != &closed_; }
  /// The calls left since then, linked by Call::next in order of arrival; the caller gets the references. Null: there
  /// were none, and the intake is now closed.
  [[nodiscard]] Call* take_or_close() noexcept;

 private:
  [[nodiscard]] static Call* in_order(void* last) noexcept;

  // The last call left; each call points to the one left before it. Of type void because it may point to `closed_`,
  // which is not a call.
  char closed_ = 0;
  std::atomic<void*> last_{&closed_};
  // Relaxed: an approximate bound. A thread that was suspended after it took its place here may exceed a later bound by
  // its call.
  std::atomic<std::int32_t> room_{0};
  std::atomic<bool> wanted_{false};  // Relaxed: seeing it late only costs a wait.
};

}  // namespace tenon::internal
