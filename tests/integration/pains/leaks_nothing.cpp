// The pain: a forked worker inherits everything: signal handlers, blocked signals, half-held locks,
// and every descriptor of the host. A fork in a threaded program may also hang. Here a host has all
// of these, and none reaches a worker. Nothing is forked: no pthread_atfork handler runs.
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "tenon_test/check.hpp"
#include "tenon_test/runtime.hpp"

namespace {

std::atomic<int> forks = 0;
void count_fork() {
  ++forks;
}
void ignore_signal(int) {}

std::uint64_t status_mask(std::int64_t pid, const std::string& key) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind(key + ":", 0) == 0) {
      return std::stoull(line.substr(key.size() + 1), nullptr, 16);
    }
  }
  TENON_CHECK(!"the status of a worker has no such line");
  return 0;
}

std::string link_target(const std::filesystem::path& link) {
  std::error_code error;
  return std::filesystem::read_symlink(link, error).string();
}

}  // namespace

int main() {
  TENON_CHECK(pthread_atfork(count_fork, nullptr, count_fork) == 0);

  // Descriptors of every kind, deliberately without close-on-exec.
  std::set<std::string> own;
  std::vector<int> descriptors;
  int pipe_ends[2];
  TENON_CHECK(pipe(pipe_ends) == 0);
  int socket_ends[2];
  TENON_CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, socket_ends) == 0);
  const int file = open("/proc/self/exe", O_RDONLY);
  TENON_CHECK(file >= 0);
  const int high = fcntl(file, F_DUPFD, 900);
  for (const int descriptor : {pipe_ends[0], pipe_ends[1], socket_ends[0], socket_ends[1], file, high}) {
    TENON_CHECK(descriptor >= 0);
    own.insert(link_target("/proc/self/fd/" + std::to_string(descriptor)));
  }

  struct sigaction action = {};
  action.sa_handler = ignore_signal;
  TENON_CHECK(sigaction(SIGUSR1, &action, nullptr) == 0);
  action.sa_handler = SIG_IGN;
  TENON_CHECK(sigaction(SIGPIPE, &action, nullptr) == 0);
  TENON_CHECK(sigaction(SIGCHLD, &action, nullptr) == 0);
  sigset_t blocked;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  sigaddset(&blocked, SIGUSR2);
  TENON_CHECK(pthread_sigmask(SIG_BLOCK, &blocked, nullptr) == 0);

  // Threads that hold the allocator's locks most of the time: a fork would copy the locks in the
  // locked state.
  std::atomic<bool> stop = false;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&stop] {
      while (!stop) {
        std::free(std::malloc(100'000));
      }
    });
  }

  {
    auto runtime = TENON_VALUE(tenon::Runtime::start(tenon::test::runtime_options(2)));
    for (int i = 0; i < 20; ++i) {
      (void)TENON_VALUE(runtime.call<tenon::Bytes>("tenon.echo", tenon::test::bytes_argument("x")));
    }
    const auto stats = tenon::test::stats_of_all_workers(runtime);
    TENON_CHECK(stats.workers.size() == 2);
    for (const auto& worker : stats.workers) {
      for (const auto& entry : std::filesystem::directory_iterator("/proc/" + std::to_string(worker.pid) + "/fd")) {
        const std::string target = link_target(entry.path());
        if (own.contains(target)) {
          std::fprintf(stderr, "worker has the host's %s\n", target.c_str());
        }
        TENON_CHECK(!own.contains(target));
      }
      TENON_CHECK(status_mask(worker.pid, "SigBlk") == 0);
      TENON_CHECK((status_mask(worker.pid, "SigCgt") & (std::uint64_t{1} << (SIGUSR1 - 1))) == 0);
      TENON_CHECK((status_mask(worker.pid, "SigIgn") & (std::uint64_t{1} << (SIGCHLD - 1))) == 0);
    }
  }
  stop = true;
  for (auto& thread : threads) {
    thread.join();
  }
  TENON_CHECK(forks == 0);

  // The host keeps its own settings: the library does not overwrite them.
  struct sigaction now = {};
  TENON_CHECK(sigaction(SIGUSR1, nullptr, &now) == 0 && now.sa_handler == ignore_signal);
  TENON_CHECK(sigaction(SIGCHLD, nullptr, &now) == 0 && now.sa_handler == SIG_IGN);
  return 0;
}
