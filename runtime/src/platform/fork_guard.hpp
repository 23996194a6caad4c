/// platform/fork_guard.hpp: tells a process from the children that code of others forks in it.
///
/// A child that was meant to run another program and fails to, or that returns instead of ending, goes on in the code
/// that called its parent. It has the parent's memory and descriptors and would act as a second parent.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>

#include <tenon/bytes.hpp>
#include <tenon/error.hpp>

namespace tenon::internal {

/// What children do not get. All of it must last as long as the process.
struct ForkGuardOptions {
  /// Shared memory that the process writes. A child has zeros of its own in its place, or nothing at all when it was
  /// made by a bare system call.
  std::span<const MutableBytesView> hidden;
  /// Closed in a child.
  std::span<const int> descriptors;
};

/// [any-thread]
class ForkGuard {
 public:
  /// Finds no children.
  ForkGuard() noexcept = default;
  /// Guards this process, once. A child that the calling thread makes by fork(), also one that then runs another
  /// program, is killed when this process ends. Errors: kOutOfMemory; kIo. [setup]
  [[nodiscard]] static Result<ForkGuard> arm(const ForkGuardOptions& options);

  /// Whether this is a child with a copy of the memory. One load.
  [[nodiscard]] bool in_child() const noexcept {
    // Relaxed: the system clears the word in the child before that runs.
    return word_->load(std::memory_order_relaxed) == 0;
  }
  /// Whether this is a child of any kind, also one that shares the memory, as vfork() makes it. A system call.
  [[nodiscard]] bool in_any_child() const noexcept;
  /// Ends a child, with a line on stderr that says why.
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

/// Kills the children of this process, whichever thread made them, and their descendants, as far as the system shows
/// them: those that put themselves into a session of their own too, but not those of a child that has ended.
/// [any-thread]
void kill_descendants() noexcept;

}  // namespace tenon::internal
