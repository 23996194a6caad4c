/// platform/interrupts.hpp: counts interrupts from the user (Ctrl-C).
#pragma once

#include <atomic>

#include <tenon/error.hpp>

namespace tenon::internal {

/// Counts interrupts (Ctrl-C and SIGTERM) from construction to destruction instead of letting them
/// end the process. After `kLimit` of them the previous behaviour is restored, so that a program
/// that hangs during shutdown can still be stopped. At most one exists at a time. [setup]
class InterruptCounter {
 public:
  static constexpr int kLimit = 2;

  /// Errors: kRejected if another one exists; kIo.
  [[nodiscard]] static Result<InterruptCounter> install();

  InterruptCounter(InterruptCounter&& other) noexcept;
  InterruptCounter& operator=(InterruptCounter&&) = delete;
  ~InterruptCounter();

  /// Number of interrupts so far. The counter has static storage: the reference stays valid.
  /// [any-thread]
  [[nodiscard]] const std::atomic<int>& count() const noexcept;

 private:
  InterruptCounter() = default;
  bool installed_ = true;
};

}  // namespace tenon::internal
