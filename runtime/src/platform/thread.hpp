/// Threads of the library.
///
///   auto thread = Thread::start("tenon-reactor", [this] { react(); });
///   if (!thread) return fail(std::move(thread.error()));
#pragma once

#include <functional>
#include <memory>

#include <tenon/error.hpp>

namespace tenon::internal {

/// A thread that takes no signals but those of faults, so that a program's handlers run on its own threads. In contrast
/// to std::thread, a system without room for it is an error and not an exception, and its stack does not depend on
/// 'ulimit -s'. Move-only. One thread at a time.
class Thread {
 public:
  /// Holds none.
  Thread() noexcept;
  /// Starts a thread that runs `body`, which must not throw. `name` is for debuggers and `top -H`; at most 15 letters
  /// count. Errors: kUnavailable with the limits on processes and threads; kOutOfMemory. [any-thread]
  [[nodiscard]] static Result<Thread> start(const char* name, std::function<void()> body);
  Thread(Thread&&) noexcept;
  Thread& operator=(Thread&& other) noexcept;
  /// Joins.
  ~Thread();

  [[nodiscard]] bool joinable() const noexcept { return native_ != nullptr; }
  /// Waits for its end. Nothing happens when none is held.
  void join() noexcept;
  /// Lets it run on by itself. Nothing happens when none is held.
  void detach() noexcept;

 private:
  struct Native;
  explicit Thread(std::unique_ptr<Native> native) noexcept;
  std::unique_ptr<Native> native_;
};

}  // namespace tenon::internal
