#include "platform/thread.hpp"

#include <cerrno>
#include <cstddef>
#include <new>
#include <string>
#include <utility>

#include <pthread.h>

#include "platform/resource_limits.hpp"
#include "platform/thread_signals.hpp"

namespace tenon::internal {

namespace {

/// This reserves only address space. The default would be RLIMIT_STACK, which may be a few pages or
/// more than is available.
constexpr std::size_t kStackBytes = std::size_t{8} << 20;

struct Start {
  const char* name;
  std::function<void()> body;
};

// noexcept: an exception that leaves a thread terminates the process here, where a debugger shows
// its origin.
void* run(void* argument) noexcept {
  const std::unique_ptr<Start> start(static_cast<Start*>(argument));
  name_this_thread(start->name);
  start->body();
  return nullptr;
}

}  // namespace

struct Thread::Native {
  pthread_t handle{};
};

Thread::Thread() noexcept = default;
Thread::Thread(std::unique_ptr<Native> native) noexcept : native_(std::move(native)) {}
Thread::Thread(Thread&&) noexcept = default;

Thread& Thread::operator=(Thread&& other) noexcept {
  if (this != &other) {
    join();
    native_ = std::move(other.native_);
  }
  return *this;
}

Thread::~Thread() {
  join();
}

Result<Thread> Thread::start(const char* name, std::function<void()> body) {
  auto native = std::make_unique<Native>();
  auto start = std::make_unique<Start>(Start{name, std::move(body)});
  pthread_attr_t attributes;
  int code = ::pthread_attr_init(&attributes);
  if (code == 0) {
    ::pthread_attr_setstacksize(&attributes, kStackBytes);
    const SignalsBlocked blocked;  // The thread inherits the mask.
    code = ::pthread_create(&native->handle, &attributes, run, start.get());
    ::pthread_attr_destroy(&attributes);
  }
  if (code != 0) {
    return fail(limit_error(code, std::string("cannot start the thread '") + name + "'"));
  }
  static_cast<void>(start.release());  // The thread owns it now.
  return Thread(std::move(native));
}

void Thread::join() noexcept {
  if (native_ != nullptr) {
    ::pthread_join(native_->handle, nullptr);
    native_.reset();
  }
}

void Thread::detach() noexcept {
  if (native_ != nullptr) {
    ::pthread_detach(native_->handle);
    native_.reset();
  }
}

}  // namespace tenon::internal
