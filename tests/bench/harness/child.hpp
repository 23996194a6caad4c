/// A forked child process and memory shared with it.
#pragma once

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <memory>
#include <new>

#include "tenon_test/check.hpp"

namespace tenon::bench {

/// Runs a function in a child process; the destructor waits until it exits. In a program with
/// threads, the function must reach exec without taking a lock.
class Child {
 public:
  template <typename Run>
  explicit Child(Run run) {
    const pid_t parent = getpid();
    pid_ = fork();
    TENON_CHECK(pid_ >= 0);
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (getppid() == parent) {
        run();
      }
      _exit(0);
    }
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (pid_ > 0) {
      waitpid(pid_, nullptr, 0);
    }
  }
  void kill() const { ::kill(pid_, SIGKILL); }

 private:
  pid_t pid_ = -1;
};

template <typename T>
struct Unmap {
  void operator()(T* object) const { munmap(object, sizeof(T)); }
};

/// A T in memory that children share.
template <typename T>
std::unique_ptr<T, Unmap<T>> make_shared_object() {
  void* memory = mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  TENON_CHECK(memory != MAP_FAILED);
  return std::unique_ptr<T, Unmap<T>>(new (memory) T);
}

/// A word with its own cache lines.
template <typename T>
struct alignas(128) Line {
  T value{};
};

}  // namespace tenon::bench
