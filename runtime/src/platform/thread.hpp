/// Threads of the library.
///
///   auto thread = Thread::start("tenon-reactor", [this] { react(); });
///   if (!thread) return fail(std::move(thread.error()));
#pragma once

#include <functional>
#include <memory>

#include <tenon/error.hpp>

namespace tenon::internal {

/// A thread that blocks all signals except faults, so that a program's handlers run on its own
/// threads. Unlike with std::thread, lack of system resources is an error, not an exception, and
/// the stack size does not depend on 'ulimit -s'. Move-only. One thread at a time.
class Thread {
 public:
  /// Holds no thread.
  Thread() noexcept;
  /// Starts a thread that runs `body`, which must not throw. `name` is for debuggers and `top -H`;
  /// it is truncated to 15 characters. Errors: kUnavailable with the limits on processes and
  /// threads; kOutOfMemory. [any-thread]
  [[nodiscard]] static Result<Thread> start(const char* name, std::function<void()> body);
  Thread(Thread&&) noexcept;
  Thread& operator=(Thread&& other) noexcept;
  /// Joins the thread.
  ~Thread();

  [[nodiscard]] bool joinable() const noexcept { return native_ != nullptr; }
  /// Waits for the thread to exit. Does nothing if there is none.
  void join() noexcept;
  /// Detaches the thread. Does nothing if there is none.
  void detach() noexcept;

 private:
  struct Native;
  explicit Thread(std::unique_ptr<Native> native) noexcept;
  std::unique_ptr<Native> native_;
};

}  // namespace tenon::internal
