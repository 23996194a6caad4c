/// platform/fork_guard.hpp: distinguishes a process from children that foreign code forks in it.
///
/// A child that was meant to run another program and fails to, or that returns instead of exiting,
/// continues in the code that called its parent. It has the parent's memory and descriptors and
/// would act as a second parent.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>

#include <tenon/bytes.hpp>
#include <tenon/error.hpp>

namespace tenon::internal {

/// Resources withheld from children. All of them must last as long as the process.
struct ForkGuardOptions {
  /// Shared memory that the process writes. A child sees private zero pages instead, or no mapping
  /// at all if it was created by a raw system call.
  std::span<const MutableBytesView> hidden;
  /// Closed in a child.
  std::span<const int> descriptors;
};

/// [any-thread]
class ForkGuard {
 public:
  /// Detects no children.
  ForkGuard() noexcept = default;
  /// Guards this process, once. A child that the calling thread creates with fork(), even one that
  /// then executes another program, is killed when this process exits. Errors: kOutOfMemory; kIo.
  /// [setup]
  [[nodiscard]] static Result<ForkGuard> arm(const ForkGuardOptions& options);

  /// Whether this is a child with a copy of the memory. Costs one load.
  [[nodiscard]] bool in_child() const noexcept {
    // Relaxed: the system clears the word in the child before the child runs.
    return word_->load(std::memory_order_relaxed) == 0;
  }
  /// Whether this is a child of any kind, including one that shares the memory, as vfork() creates.
  /// Costs a system call.
  [[nodiscard]] bool in_any_child() const noexcept;
  /// Exits if this is a child, with a line on stderr that says why.
  void end_child() const noexcept {
    if (in_child()) {
      leave();
    }
  }
  /// The same for a child of any kind.
  void end_any_child() const noexcept {
    if (in_any_child()) {
      leave();
    }
  }

 private:
  [[noreturn]] static void leave() noexcept;

  static constexpr std::atomic<std::uint32_t> kNeverChild{1};
  const std::atomic<std::uint32_t>* word_ = &kNeverChild;
  std::int64_t process_id_ = 0;
};

/// Kills the children of this process, whichever thread created them, and their descendants, as far
/// as the system shows them. This includes processes in their own session, but not the children of
/// a child that has already exited. [any-thread]
void kill_descendants() noexcept;

}  // namespace tenon::internal
