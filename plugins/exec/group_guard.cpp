#include "exec/group_guard.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <new>
#include <system_error>

#include <tenon/plugin.hpp>

namespace exec {
namespace {

constexpr std::size_t kPageBytes = 4096;
constexpr rlim_t kMostClosed = 1 << 16;

/// The life of the guarding process. Makes only system calls, because another thread may have held
/// any lock when it was forked. Writes to `ready` as soon as it survives the worker.
[[noreturn]] void guard(int alive, int other_end, int ready, const std::atomic<std::int32_t>& group) {
  // Here and not only below: close_range is missing before Linux 5.9, and some sandboxes refuse it.
  ::close(other_end);
  sigset_t all;
  ::sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, nullptr);
  // By the worker's settings, the system kills each child when the worker dies, but this child still has work to do
  // then. It has its own process group, because the host kills the worker's group.
  ::prctl(PR_SET_PDEATHSIG, 0);
  ::setpgid(0, 0);
  char byte = 0;
  if (::write(ready, &byte, 1) != 1) {
    ::_exit(1);
  }
  ::prctl(PR_SET_NAME, "tenon-exec");
  // Closes everything that the worker has open, such as the streams that the host reads to their end.
  if (::dup2(alive, 0) < 0) {
    ::_exit(1);
  }
  if (::syscall(SYS_close_range, 1u, UINT_MAX, 0u) != 0) {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    const auto most = static_cast<int>(std::min<rlim_t>(limit.rlim_cur, kMostClosed));
    for (int file = 1; file < most; ++file) {
      ::close(file);
    }
  }
  while (::read(0, &byte, 1) < 0 && errno == EINTR) {
  }
  // Acquire pairs with the release in set(), although the system call has ordered the accesses.
  const std::int32_t last = group.load(std::memory_order_acquire);
  if (last > 0) {
    ::kill(-last, SIGKILL);
  }
  ::_exit(0);
}

}  // namespace

GroupGuard::GroupGuard() {
  void* page = ::mmap(nullptr, kPageBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) {
    throw std::bad_alloc();
  }
  group_ = new (page) std::atomic<std::int32_t>(0);
  std::array<int, 2> ends{-1, -1};
  std::array<int, 2> ready{-1, -1};
  int code = ::pipe2(ends.data(), O_CLOEXEC) == 0 ? 0 : errno;
  const tenon::plugins::FileDescriptor read_end(ends[0]);
  alive_ = tenon::plugins::FileDescriptor(ends[1]);
  code = code == 0 && ::pipe2(ready.data(), O_CLOEXEC) != 0 ? errno : code;
  const tenon::plugins::FileDescriptor is_ready(ready[0]);
  tenon::plugins::FileDescriptor tell_ready(ready[1]);
  process_ = code == 0 ? ::fork() : -1;
  if (process_ == 0) {
    guard(read_end.get(), alive_.get(), tell_ready.get(), *group_);
  }
  code = process_ < 0 && code == 0 ? errno : code;
  tell_ready = tenon::plugins::FileDescriptor();
  if (process_ > 0) {
    // A program that ended the worker before the guard survives that would be left behind.
    char byte = 0;
    ssize_t count = 0;
    while ((count = ::read(is_ready.get(), &byte, 1)) < 0 && errno == EINTR) {
    }
    if (count != 1) {
      while (::waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
      }
      process_ = -1;
      code = ECHILD;
    }
  }
  if (process_ < 0) {
    ::munmap(page, kPageBytes);
    throw tenon::TaskError(TENON_UNAVAILABLE, "the process that ends programs with their worker cannot be started: " +
                                                  std::generic_category().message(code) +
                                                  "; raise the limit of processes (ulimit -u) or of open files");
  }
}

GroupGuard::~GroupGuard() {
  set(0);
  alive_ = tenon::plugins::FileDescriptor();
  while (::waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
  }
  ::munmap(group_, kPageBytes);
}

void GroupGuard::set(pid_t group) noexcept {
  // Release: a plain store would be enough, because the value is used only after this process has died.
  group_->store(group, std::memory_order_release);
}

}  // namespace exec
