// Processes that a task creates: children that return into the worker's code, children that stay,
// another program.
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <string>

#include "misbehave.hpp"

namespace tenon::chaos {
namespace {

/// Creates a process without the handlers that the C library runs for a fork.
pid_t bare_clone() {
  return static_cast<pid_t>(::syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, nullptr));
}

/// The child returns from the task. The kind of fork, and what happens before it, are random.
void fall_through(std::uint64_t random) {
  const bool bare = random % 4 == 3;
  const pid_t child = bare ? bare_clone() : ::fork();
  if (child != 0) {
    if (child > 0 && random % 3 == 0) {
      // The child reaches the worker's code first.
      ::usleep(static_cast<useconds_t>(random / 16 % 5000));
    }
    return;
  }
  switch (random / 4 % 4) {
    case 0:
      return;
    case 1: {  // The state after a failed exec: nothing can exist below a file.
      std::array<char*, 2> arguments = {const_cast<char*>("/dev/null/program"), nullptr};
      ::execv(arguments[0], arguments.data());
      return;
    }
    case 2:
      ::setsid();
      return;
    default:
      if (::fork() != 0) {
        ::_exit(0);
      }
      ::setsid();
      return;
  }
}

}  // namespace

bool breed(Way way, const Culprit& culprit) {
  switch (way) {
    case Way::kForkFallsThrough:
      fall_through(culprit.random);
      return true;
    case Way::kForkKept:
      if (::fork() == 0) {
        for (;;) {
          ::pause();
        }
      }
      return true;
    case Way::kDaemon:
      // The parent exits here; the child returns into a worker that is gone.
      static_cast<void>(::daemon(1, 1));
      return true;
    case Way::kExecTrue: {
      std::array<char*, 2> arguments = {const_cast<char*>("/bin/true"), nullptr};
      ::execv(arguments[0], arguments.data());
      ::abort();
    }
    case Way::kExecSleep: {
      // The search for remaining processes finds it by its odd number, which ends with the host's
      // process id.
      std::string duration = "98765." + std::to_string(::getppid());
      std::array<char*, 3> arguments = {const_cast<char*>("/bin/sleep"), duration.data(), nullptr};
      ::execv(arguments[0], arguments.data());
      ::abort();
    }
    default:
      return false;
  }
}

}  // namespace tenon::chaos
