// Processes that a task makes: children that return into the worker's code, children that stay, another program.
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

/// A process as fork makes it, without what the C library does for a fork.
pid_t bare_clone() {
  return static_cast<pid_t>(::syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, nullptr));
}

/// The child returns from the task. Which fork, and what happens before, is by chance.
void fall_through(std::uint64_t random) {
  const bool bare = random % 4 == 3;
  const pid_t child = bare ? bare_clone() : ::fork();
  if (child != 0) {
    if (child > 0 && random % 3 == 0) {
      ::usleep(static_cast<useconds_t>(random / 16 % 5000));  // The child is first at the worker's code.
    }
    return;
  }
  switch (random / 4 % 4) {
    case 0:
      return;
    case 1: {  // What a failed exec leaves behind.
      std::array<char*, 2> arguments = {const_cast<char*>("/nonexistent/program"), nullptr};
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
      // The parent ends here; the child returns into a worker that is gone.
      static_cast<void>(::daemon(1, 1));
      return true;
    case Way::kExecTrue: {
      std::array<char*, 2> arguments = {const_cast<char*>("/bin/true"), nullptr};
      ::execv(arguments[0], arguments.data());
      ::abort();
    }
    case Way::kExecSleep: {
      // The search for what is left finds it by its odd number, which ends with the host's process id.
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
