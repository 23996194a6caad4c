/// Keeps a program's signals away from the library's threads.
#pragma once

#include <memory>

namespace tenon::internal {

/// Blocks all signals except faults on the calling thread for its lifetime. Threads started
/// meanwhile keep them blocked, so that a program's handlers never run there. Create and destroy it
/// on one thread. [any-thread]
class SignalsBlocked {
 public:
  SignalsBlocked();
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;
  ~SignalsBlocked();

 private:
  struct Before;
  std::unique_ptr<Before> before_;
};

/// Names the calling thread for debuggers and `top -H`; truncated to 15 characters. [any-thread]
void name_this_thread(const char* name) noexcept;

}  // namespace tenon::internal
