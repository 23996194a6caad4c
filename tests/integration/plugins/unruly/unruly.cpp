#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <thread>

#include <tenon/plugin.hpp>

#include "unruly_generated.h"

namespace {

/// A path below a file, where nothing can exist on any machine.
const char* const kNoProgram = "/dev/null/program";

void note(const unruly::Act& act) {
  if (act.ledger() == nullptr) {
    return;
  }
  const int file = ::open(act.ledger()->c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  const std::string line = std::to_string(act.number()) + "\n";
  static_cast<void>(!::write(file, line.data(), line.size()));
  ::close(file);
}

/// The child's exec fails, and the child does not exit.
void run_no_program() {
  ::execl(kNoProgram, kNoProgram, static_cast<char*>(nullptr));
}

/// Returns the output of the command `text`, which the child reads from its argument.
std::string output_of(const char* text) {
  int ends[2];
  if (::pipe(ends) != 0) {
    return {};
  }
  if (::fork() == 0) {
    ::dup2(ends[1], STDOUT_FILENO);
    ::execl("/bin/sh", "sh", "-c", text, static_cast<char*>(nullptr));
    ::_exit(1);
  }
  ::close(ends[1]);
  std::string output;
  std::array<char, 256> buffer{};
  for (ssize_t count = 0; (count = ::read(ends[0], buffer.data(), buffer.size())) > 0;) {
    output.append(buffer.data(), static_cast<std::size_t>(count));
  }
  ::close(ends[0]);
  ::wait(nullptr);
  return output;
}

/// Replaces all descriptors except the standard streams by a file.
void replace_descriptors(const char* file) {
  const int own = ::open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  for (int number = 3; number < 4096; ++number) {
    if (number != own && ::fcntl(number, F_GETFD) >= 0) {
      ::dup2(own, number);
    }
  }
  static_cast<void>(!::write(own, "mine", 4));
}

/// Stays running after the task; first writes its number into `file`.
void sleep_for_ever(const char* file) {
  const int own = ::open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  const std::string line = std::to_string(::getpid()) + "\n";
  static_cast<void>(!::write(own, line.data(), line.size()));
  ::close(own);
  for (;;) {
    ::pause();
  }
}

/// Writes a line to stderr, and then memory that no one provides: the write never ends, and holds the pipe. Returns
/// false if the system does not permit that.
bool block_stderr() {
  constexpr std::size_t kSize = 65536;
  const int faults = static_cast<int>(::syscall(SYS_userfaultfd, O_CLOEXEC));
  uffdio_api api{};
  api.api = UFFD_API;
  void* const memory = ::mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  uffdio_register range{};
  range.range = {reinterpret_cast<std::uintptr_t>(memory), kSize};
  range.mode = UFFDIO_REGISTER_MODE_MISSING;
  if (faults < 0 || memory == MAP_FAILED || ::ioctl(faults, UFFDIO_API, &api) != 0 ||
      ::ioctl(faults, UFFDIO_REGISTER, &range) != 0) {
    return false;
  }
  static_cast<void>(!::write(STDERR_FILENO, "before\n", 7));
  return ::write(STDERR_FILENO, memory, kSize) < 0;
}

/// Returns the numbers of the open descriptors beyond the standard streams.
std::string open_descriptors() {
  std::string numbers;
  for (int number = 3; number < 65536; ++number) {
    if (::fcntl(number, F_GETFD) >= 0) {
      numbers += std::to_string(number) + " ";
    }
  }
  return numbers;
}

std::string do_as_told(const unruly::Act& act) {
  const std::string_view how = act.how() == nullptr ? std::string_view() : act.how()->string_view();
  const char* text = act.text() == nullptr ? "" : act.text()->c_str();
  if (how == "fork") {
    if (::fork() == 0) {
      run_no_program();
    }
  } else if (how == "fork in a session of its own") {
    if (::fork() == 0) {
      ::setsid();
      run_no_program();
    }
  } else if (how == "fork twice") {
    if (::fork() == 0 && ::fork() == 0) {
      run_no_program();
    }
  } else if (how == "clone") {
    if (::syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, 0) == 0) {
      run_no_program();
    }
  } else if (how == "clone with shared descriptors") {
    if (::syscall(SYS_clone, SIGCHLD | CLONE_FILES, nullptr, nullptr, nullptr, 0) == 0) {
      run_no_program();
    }
  } else if (how == "vfork by a system call") {
    if (::syscall(SYS_vfork) == 0) {
      run_no_program();
    }
  } else if (how == "clone like vfork") {
    if (::syscall(SYS_clone, SIGCHLD | CLONE_VM | CLONE_VFORK, nullptr, nullptr, nullptr, 0) == 0) {
      run_no_program();
    }
  } else if (how == "clone with shared memory") {
    if (::syscall(SYS_clone, SIGCHLD | CLONE_VM, nullptr, nullptr, nullptr, 0) == 0) {
      run_no_program();
    }
  } else if (how == "vfork") {
    if (::vfork() == 0) {
      run_no_program();
    }
  } else if (how == "fork in a thread") {
    std::thread([] {
      if (::fork() == 0) {
        run_no_program();
      }
    }).join();
  } else if (how == "system") {
    static_cast<void>(!::system(kNoProgram));
  } else if (how == "daemon") {
    static_cast<void>(!::daemon(1, 1));
  } else if (how == "child that stays") {
    if (::fork() == 0) {
      sleep_for_ever(text);
    }
  } else if (how == "child that stays in a session of its own") {
    if (::fork() == 0) {
      ::setsid();
      sleep_for_ever(text);
    }
  } else if (how == "child of a thread that stays in a session of its own") {
    std::thread([&text] {
      if (::fork() == 0) {
        ::setsid();
        sleep_for_ever(text);
      }
    }).join();
  } else if (how == "hang beside a child in a session of its own") {
    std::thread([&text] {
      if (::fork() == 0) {
        ::setsid();
        sleep_for_ever(text);
      }
    }).join();
    for (;;) {
      ::pause();
    }
  } else if (how == "command") {
    return output_of(text);
  } else if (how == "block stderr") {
    return block_stderr() ? "permitted" : "not permitted";
  } else if (how == "write to stderr") {
    const std::string line = std::string(text) + "\n";
    static_cast<void>(!::write(STDERR_FILENO, line.data(), line.size()));
  } else if (how == "list descriptors") {
    return open_descriptors();
  } else if (how == "close") {
    ::close_range(3, ~0u, 0);
  } else if (how == "replace") {
    replace_descriptors(text);
  } else if (how == "replace and stay") {
    replace_descriptors(text);
    for (;;) {
      ::pause();
    }
  } else if (how == "stop") {
    ::raise(SIGSTOP);
  } else if (how == "end the main thread") {
    ::syscall(SYS_exit, 0);
  } else if (how == "another program") {
    ::execl("/bin/sleep", "sleep", "600", static_cast<char*>(nullptr));
  } else if (how == "shut down sockets") {
    for (int number = 3; number < 4096; ++number) {
      ::shutdown(number, SHUT_RDWR);
    }
    for (;;) {
      ::pause();
    }
  }
  return "done";
}

tenon::Offset<unruly::Did> act(tenon::Call& call, const unruly::Act& act) {
  note(act);
  const std::string text = do_as_told(act);
  return unruly::CreateDid(call.builder(), act.number(), ::getpid(), call.builder().CreateString(text));
}

}  // namespace

TENON_PLUGIN(unruly) {
  plugin.task<act>("act");
}
