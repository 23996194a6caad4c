#include "exec/child.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <csignal>
#include <new>

namespace exec {
namespace {

constexpr std::size_t kGuardBytes = 4096;
constexpr std::size_t kStackBytes = 128u << 10;

/// Shared by parent and child.
struct Start {
  const ChildRequest* request;
  pid_t parent;
  volatile int step = -1;  ///< A StartError, if the child fails.
  volatile int os_code = 0;
};

// SUBTLE: runs in the child on the parent's memory, while the parent's thread waits. It makes only
// system calls, and sanitizers must not see a second stack.
#define EXEC_IN_CHILD __attribute__((no_sanitize("address", "undefined", "thread")))

EXEC_IN_CHILD int fail_in_child(Start& start, StartError::Step step) {
  start.os_code = errno;
  start.step = static_cast<int>(step);
  ::_exit(127);
}

EXEC_IN_CHILD int run_in_child(void* argument) {
  auto& start = *static_cast<Start*>(argument);
  const ChildRequest& request = *start.request;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != start.parent) {
    ::_exit(127);  // The parent exited first, so no signal will come.
  }
  ::setpgid(0, 0);
  if (request.group != nullptr) {
    request.group->store(::getpid(), std::memory_order_release);
  }
  // Handlers end with the old program; ignored signals would stay ignored.
  struct sigaction standard {};
  standard.sa_handler = SIG_DFL;
  for (const int signal : {SIGPIPE, SIGINT, SIGQUIT, SIGHUP, SIGTERM, SIGCHLD, SIGALRM, SIGTSTP, SIGTTIN, SIGTTOU,
                           SIGUSR1, SIGUSR2, SIGXFSZ, SIGXCPU, SIGABRT, SIGBUS, SIGSEGV, SIGFPE, SIGILL}) {
    ::sigaction(signal, &standard, nullptr);
  }
  if (::dup2(request.input, STDIN_FILENO) < 0 || ::dup2(request.output, STDOUT_FILENO) < 0 ||
      ::dup2(request.error, STDERR_FILENO) < 0) {
    return fail_in_child(start, StartError::Step::kProcess);
  }
  // Without close_range (before Linux 5.9), descriptors of other code without O_CLOEXEC stay open.
  ::syscall(SYS_close_range, 3u, UINT_MAX, 0u);
  if (request.directory != nullptr && ::chdir(request.directory) != 0) {
    return fail_in_child(start, StartError::Step::kDirectory);
  }
  if (request.max_memory_bytes != 0) {
    const rlimit limit{request.max_memory_bytes, request.max_memory_bytes};
    if (::setrlimit(RLIMIT_AS, &limit) != 0) {
      return fail_in_child(start, StartError::Step::kLimit);
    }
  }
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execve(request.path, request.argv, request.environment);
  return fail_in_child(start, StartError::Step::kExecute);
}

}  // namespace

ChildStack::ChildStack()
    : memory_(::mmap(nullptr, kGuardBytes + kStackBytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0)) {
  if (memory_ == MAP_FAILED) {
    throw std::bad_alloc();
  }
  ::mprotect(memory_, kGuardBytes, PROT_NONE);
}

ChildStack::~ChildStack() {
  ::munmap(memory_, kGuardBytes + kStackBytes);
}

void* ChildStack::top() const noexcept {
  return static_cast<char*>(memory_) + kGuardBytes + kStackBytes;
}

std::optional<StartError> start_child(const ChildRequest& request, const ChildStack& stack, Child& child) {
  Start start{&request, ::getpid()};
  int handle = -1;
  // A handler of this process must not run in the child, on shared memory.
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const int process =
      ::clone(run_in_child, stack.top(), CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, &start, &handle);
  const int code = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (process < 0) {
    return StartError{StartError::Step::kProcess, code};
  }
  tenon::plugins::FileDescriptor owned(handle);
  if (start.step >= 0) {
    if (request.group != nullptr) {
      request.group->store(0, std::memory_order_release);
    }
    siginfo_t ignored{};
    ::waitid(P_PID, static_cast<id_t>(process), &ignored, WEXITED);
    return StartError{static_cast<StartError::Step>(static_cast<int>(start.step)), start.os_code};
  }
  child.process = process;
  child.handle = std::move(owned);
  return std::nullopt;
}

}  // namespace exec
