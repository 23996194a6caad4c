/// Keeps the signals of a program away from a library's own threads.
#pragma once

#include <memory>

namespace tenon::internal {

/// Blocks every signal but those of faults on the calling thread until its end; threads started meanwhile keep them
/// blocked, so that a program's handlers never run there. One thread; ends on the thread that made it. [any-thread]
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

/// Names the calling thread for debuggers and `top -H`; at most 15 letters count. [any-thread]
void name_this_thread(const char* name) noexcept;

}  // namespace tenon::internal
