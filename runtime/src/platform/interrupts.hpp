/// platform/interrupts.hpp: interrupts from the user (Ctrl-C) as a number that anyone may read.
#pragma once

#include <atomic>

#include <tenon/error.hpp>

namespace tenon::internal {

/// Counts interrupts (Ctrl-C and the system's polite request to end) from construction to destruction instead of
/// letting them end the process. After `kLimit` of them the old behaviour comes back, so that a program that hangs
/// while it winds up can still be ended. At most one exists at a time. [setup]
class InterruptCounter {
 public:
  static constexpr int kLimit = 2;

  /// Errors: kRejected when another one exists; kIo.
  [[nodiscard]] static Result<InterruptCounter> install();

  InterruptCounter(InterruptCounter&& other) noexcept;
  InterruptCounter& operator=(InterruptCounter&&) = delete;
  ~InterruptCounter();

  /// Interrupts so far. The object has static storage: the reference stays valid. [any-thread]
  [[nodiscard]] const std::atomic<int>& count() const noexcept;

 private:
  InterruptCounter() = default;
  bool installed_ = true;
};

}  // namespace tenon::internal
