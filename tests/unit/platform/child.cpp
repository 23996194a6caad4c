// The program that process_test.cpp and other tests spawn. The first argument selects what it does;
// output goes to standard output.
#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "platform/control_channel.hpp"
#include "platform/file.hpp"
#include "platform/file_lock.hpp"
#include "platform/file_watch.hpp"
#include "platform/host_watch.hpp"
#include "platform/process.hpp"
#include "platform/sandbox.hpp"
#include "platform/shared_memory.hpp"
#include "platform/signals.hpp"
#include "platform/thread.hpp"
#include "platform/unix_socket.hpp"

using namespace tenon::internal;

namespace {

int list_descriptors() {
  std::string text;
  for (int number = 0; number < 1024; ++number) {
    if (::fcntl(number, F_GETFD) >= 0) {
      text += std::to_string(number) + ' ';
    }
  }
  std::puts(text.c_str());
  return 0;
}

int sandboxed(const std::string& limit, std::uint64_t value) {
  SandboxOptions options;
  if (limit == "address_space") {
    options.address_space_bytes = value;
  } else if (limit == "data") {
    options.data_bytes = value;
  } else if (limit == "file_size") {
    options.file_size_bytes = value;
  } else if (limit == "cpu") {
    options.cpu_seconds = value;
  }
  if (auto applied = apply_sandbox(options); !applied) {
    std::puts(applied.error().to_string().c_str());
    return 2;
  }
  if (limit == "cpu") {
    for (std::atomic<unsigned> turns{0};; ++turns) {
    }
  }
  const std::uint64_t size_bytes = value * 4;
  auto report = [](const tenon::Error& error) {
    std::puts(error.to_string().c_str());
    return 1;
  };
  if (limit == "data") {
    auto mapping = Mapping::anonymous(size_bytes);
    return mapping ? 0 : report(mapping.error());
  }
  auto memory = SharedMemory::create("test", size_bytes);
  if (!memory) {
    return report(memory.error());
  }
  auto mapping = memory->map(Access::kReadWrite);
  return mapping ? 0 : report(mapping.error());
}

/// Limits the address space to what is mapped, so that a thread cannot get a stack.
int start_thread_without_room() {
  std::uint64_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  const rlim_t room = pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) + (1 << 20);
  const rlimit limit{room, room};
  ::setrlimit(RLIMIT_AS, &limit);
  const auto thread = Thread::start("test", [] {});
  std::puts(thread ? "started" : thread.error().to_string().c_str());
  return 0;
}

/// Writes beyond the limit to a file and to existing shared memory; prints the errors.
int write_beyond_limit(const char* path) {
  const auto memory = SharedMemory::create("test", 1 << 20);
  const rlimit limit{4096, 4096};
  ::setrlimit(RLIMIT_FSIZE, &limit);
  const std::vector<std::uint8_t> content(100'000, 7);
  const auto file = write_file(path, content, {});
  std::puts(file ? "written" : file.error().to_string().c_str());
  const auto shared = memory->write(8192, content);
  std::puts(shared ? "written" : shared.error().to_string().c_str());
  sigset_t pending;
  sigset_t blocked;
  ::sigpending(&pending);
  ::pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
  std::printf("pending %d blocked %d %s\n", sigismember(&pending, SIGXFSZ), sigismember(&blocked, SIGXFSZ),
              signal_state().c_str());
  return 0;
}

/// Tries every way to write into the memory on descriptor 3; prints the ways that work.
int break_seals() {
  const int fd = 3;
  std::string open_roads;
  const long page = ::sysconf(_SC_PAGESIZE);
  const auto size = static_cast<std::size_t>(page);
  if (void* data = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0); data != MAP_FAILED) {
    open_roads += "map ";
  }
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
  if (data == MAP_FAILED) {
    return 5;
  }
  if (::mprotect(data, size, PROT_READ | PROT_WRITE) == 0) {
    open_roads += "mprotect ";
  }
  if (::pwrite(fd, "x", 1, 0) == 1) {
    open_roads += "write ";
  }
  if (::ftruncate(fd, 1) == 0 || ::ftruncate(fd, page * 100) == 0) {
    open_roads += "truncate ";
  }
  if (::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, page) == 0) {
    open_roads += "punch ";
  }
  const int again = ::open("/proc/self/fd/3", O_RDWR | O_CLOEXEC);
  if (again >= 0 && ::pwrite(again, "x", 1, 0) == 1) {
    open_roads += "reopen-write ";
  }
  if (again >= 0 && ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, again, 0) != MAP_FAILED) {
    open_roads += "reopen-map ";
  }
  std::printf("open:%s read:%c\n", open_roads.c_str(), *static_cast<const char*>(data));
  return 0;
}

/// Watches a directory at the limit named by `what`, in a separate user namespace.
int watch_at_limit(const std::string& what) {
  auto report = [](const tenon::Error& error) {
    std::puts(error.to_string().c_str());
    // A sanitizer without descriptors kills the process at the exit, before the output is flushed.
    std::fflush(stdout);
    return 1;
  };
  constexpr int kCannotTry = 77;
  if (what == "descriptors") {
    const rlimit none{3, 3};
    ::setrlimit(RLIMIT_NOFILE, &none);
  } else {
    const int setting =
        ::unshare(CLONE_NEWUSER) == 0 ? ::open(("/proc/sys/user/max_inotify_" + what).c_str(), O_WRONLY) : -1;
    if (setting < 0 || ::write(setting, "0", 1) != 1) {
      return kCannotTry;
    }
    ::close(setting);
  }
  auto watch = FileWatch::create();
  if (!watch) {
    return report(watch.error());
  }
  auto added = watch->add("/");
  return added ? 0 : report(added.error());
}

/// Listens on a socket until the process is killed.
int listen_until_killed(const char* path) {
  auto listener = UnixListener::listen(path);
  std::puts(listener ? "listens" : listener.error().to_string().c_str());
  std::fflush(stdout);
  if (!listener) {
    return 2;
  }
  for (;;) {
    ::pause();
  }
}

/// Holds byte `at` of a lock file until the process is killed; exclusive or shared.
int hold_lock(const char* file, std::uint64_t at, bool exclusive) {
  auto locks = FileLock::open(file);
  auto held = locks ? locks->try_lock(at, exclusive ? LockMode::kExclusive : LockMode::kShared) : false;
  std::puts(held && *held ? "held" : "refused");
  std::fflush(stdout);
  for (;;) {
    ::pause();
  }
}

int echo_channel() {
  auto channel = ControlChannel::adopt(FileDescriptor(3));
  if (!channel) {
    return 2;
  }
  for (;;) {
    auto message = channel->receive();
    if (!message) {
      return message.error().code == tenon::ErrorCode::kUnavailable ? 0 : 3;
    }
    std::vector<int> numbers;
    for (const FileDescriptor& descriptor : (*message)->descriptors) {
      numbers.push_back(descriptor.get());
    }
    if (!channel->send((*message)->bytes, numbers)) {
      return 4;
    }
  }
}

/// Acts as the host of a child that watches it. Prints the child's number, then is killed, or
/// closes the channel and exits when its standard input ends. The child closes all descriptors if
/// told to. `separate`: the watching thread of the child has its own descriptor table.
int watched_host(bool separate, bool closes, bool killed) {
  auto pair = ControlChannel::create_pair();
  std::array<int, 2> ready{};
  if (!pair || ::pipe(ready.data()) != 0) {
    return 2;
  }
  const pid_t child = ::fork();
  if (child == 0) {
    ::setpgid(0, 0);
    pair->first = ControlChannel();
    auto watch = HostWatch::create(pair->second);
    if (!watch) {
      ::_exit(3);
    }
    std::atomic<bool> watching{false};
    auto thread = Thread::start("watch", [&] {
      if (separate) {
        watch->separate();
      }
      watching = true;
      ::_exit(watch->wait() == HostWatch::Event::kHostGone ? 40 : 41);
    });
    while (!watching) {
      std::this_thread::yield();
    }
    if (::write(ready[1], "r", 1) != 1) {
      ::_exit(4);
    }
    for (int number = 0; number < 1024; ++number) {
      if (closes || number == ready[1] || number == STDOUT_FILENO || number == STDERR_FILENO) {
        ::close(number);
      }
    }
    for (;;) {
      ::pause();
    }
  }
  ::close(ready[1]);
  pair->second = ControlChannel();
  char letter = 0;
  if (::read(ready[0], &letter, 1) != 1) {
    return 5;
  }
  std::printf("%d\n", static_cast<int>(child));
  std::fflush(stdout);
  if (killed) {
    ::raise(SIGKILL);
  }
  pair->first = ControlChannel();
  int status = 0;
  ::waitpid(child, &status, 0);
  std::printf("%d\n", WIFEXITED(status) ? WEXITSTATUS(status) : -1);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  if (what == "exit") {
    return std::atoi(argv[2]);
  }
  if (what == "raise") {
    ::raise(std::atoi(argv[2]));
    return 0;
  }
  if (what == "wait") {
    for (;;) {
      ::pause();
    }
  }
  if (what == "grandchild") {
    // A grandchild that keeps the pipes open and outlives this process, unless its process group is
    // killed.
    if (::fork() == 0) {
      for (;;) {
        ::pause();
      }
    }
    std::puts("ready");
    std::fflush(stdout);
    return 0;
  }
  if (what == "ignores_term") {
    ::signal(SIGTERM, SIG_IGN);
    std::puts("ready");
    std::fflush(stdout);
    for (;;) {
      ::pause();
    }
  }
  if (what == "group_of_its_own") {
    // Behaves like a build tool: its child has a separate process group, which it stops when it is
    // asked to exit.
    static pid_t child = -1;
    child = ::fork();
    if (child == 0) {
      ::setpgid(0, 0);
      for (;;) {
        ::pause();
      }
    }
    ::signal(SIGTERM, [](int) {
      ::kill(child, SIGKILL);
      ::_exit(0);
    });
    std::printf("%d\n", static_cast<int>(child));
    std::fflush(stdout);
    for (;;) {
      ::pause();
    }
  }
  if (what == "descriptors") {
    return list_descriptors();
  }
  if (what == "signals") {
    std::puts(signal_state().c_str());
    return 0;
  }
  if (what == "group") {
    std::printf("%d\n", ::getpgrp() == ::getpid() ? 1 : 0);
    return 0;
  }
  if (what == "environment") {
    const char* value = std::getenv(argv[2]);
    std::puts(value == nullptr ? "(unset)" : value);
    return 0;
  }
  if (what == "directory") {
    std::puts(std::filesystem::current_path().c_str());
    return 0;
  }
  if (what == "arguments") {
    for (int i = 2; i < argc; ++i) {
      std::printf("[%s]", argv[i]);
    }
    return 0;
  }
  if (what == "cat") {
    char buffer[4096];
    for (ssize_t count; (count = ::read(0, buffer, sizeof buffer)) > 0;) {
      if (::write(1, buffer, static_cast<std::size_t>(count)) != count) {
        return 1;
      }
    }
    return 0;
  }
  if (what == "flood") {
    const std::string line(1000, 'x');
    for (;;) {
      std::puts(line.c_str());
    }
  }
  if (what == "read") {
    char letter = '?';
    return ::read(std::atoi(argv[2]), &letter, 1) == 1 ? letter : 99;
  }
  if (what == "sandbox") {
    return sandboxed(argv[2], std::strtoull(argv[3], nullptr, 10));
  }
  if (what == "thread_without_room") {
    return start_thread_without_room();
  }
  if (what == "write_beyond_limit") {
    return write_beyond_limit(argv[2]);
  }
  if (what == "seals") {
    return break_seals();
  }
  if (what == "watched_host") {
    const std::string how = argv[2];
    return watched_host(how.find("separate") != how.npos, how.find("closes") != how.npos,
                        how.find("killed") != how.npos);
  }
  if (what == "watch_limit") {
    return watch_at_limit(argv[2]);
  }
  if (what == "lock") {
    return hold_lock(argv[2], std::strtoull(argv[3], nullptr, 10), std::strcmp(argv[4], "exclusive") == 0);
  }
  if (what == "listen") {
    return listen_until_killed(argv[2]);
  }
  if (what == "echo") {
    return echo_channel();
  }
  return 100;
}
