/// Starts a program as a child process.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "common/content.hpp"

namespace exec {

/// Memory for the stack of a child between its creation and the start of its program.
class ChildStack {
 public:
  /// Throws std::bad_alloc.
  ChildStack();
  ChildStack(const ChildStack&) = delete;
  ChildStack& operator=(const ChildStack&) = delete;
  ~ChildStack();
  /// One past the highest byte: stacks grow down.
  [[nodiscard]] void* top() const noexcept;

 private:
  void* memory_;
};

struct ChildRequest {
  /// The file to run, and its arguments and environment, each ending with a null pointer.
  const char* path = nullptr;
  char* const* argv = nullptr;
  char* const* environment = nullptr;
  /// Working directory; null: that of this process.
  const char* directory = nullptr;
  /// The child's standard streams: descriptors from 3 upwards.
  int input = -1;
  int output = -1;
  int error = -1;
  /// Limit of the address space; 0 is none.
  std::uint64_t max_memory_bytes = 0;
  /// Receives the number of the program's process group before the program runs, 0 if it does not
  /// start; null for nothing.
  std::atomic<std::int32_t>* group = nullptr;
};

/// Why a program did not start.
struct StartError {
  enum class Step {
    kProcess,    ///< The process could not be created.
    kDirectory,  ///< Its working directory could not be entered.
    kLimit,      ///< The memory limit could not be set.
    kExecute     ///< The file could not be run.
  };
  Step step = Step::kProcess;
  int os_code = 0;
};

/// A started program: the leader of a process group of its own. It is killed when the thread that
/// started it ends. The owner reaps it.
struct Child {
  pid_t process = -1;
  tenon::plugins::FileDescriptor handle;  ///< A pidfd.
};

/// Starts a program. The child shares the memory of this process until its program runs, so nothing
/// is copied, and the calling thread waits for that moment. The program gets the default signal
/// handlers, an empty signal mask and no descriptors but its standard streams. `child` is set if
/// the program has started; otherwise the reason is returned. Not thread-safe for one stack.
std::optional<StartError> start_child(const ChildRequest& request, const ChildStack& stack, Child& child);

}  // namespace exec
