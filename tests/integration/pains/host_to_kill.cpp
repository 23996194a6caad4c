// A host that keeps its workers busy until it is killed. Prints the workers' process ids on one
// line, and on the next line those of children that a task started: one in the worker's process
// group, one in a separate session. With --subreaper, its own children go to another process when it
// ends; that process first prints the host's process id on a line of its own, and ends with the last
// of them.
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "tenon_test/check.hpp"
#include "tenon_test/runtime.hpp"

namespace {

/// Runs this program again below a process that adopts what it leaves, and waits until nothing is left.
int adopt(char** argv) {
  if (::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) {
    std::perror("host_to_kill: cannot become a subreaper");
    return 1;
  }
  const pid_t host = ::fork();
  if (host == 0) {
    ::execl("/proc/self/exe", argv[0], argv[2], static_cast<char*>(nullptr));
    ::_exit(127);
  }
  std::printf("%d\n", static_cast<int>(host));
  std::fflush(stdout);
  while (::wait(nullptr) > 0 || errno == EINTR) {
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3 && std::string(argv[1]) == "--subreaper") {
    return adopt(argv);
  }
  if (argc != 2) {
    std::fputs("usage: host_to_kill [--subreaper] FILE   (an empty one, for notes)\n", stderr);
    return 2;
  }
  auto runtime = TENON_VALUE(tenon::Runtime::start(tenon::test::runtime_options(4)));
  // A large argument and a large result use every kind of shared memory block.
  const std::string large(std::size_t{8} << 20, 'x');
  (void)TENON_VALUE(runtime.call<tenon::Bytes>("tenon.echo", tenon::test::bytes_argument(large)));
  const std::string place = argv[1];
  const auto start_child = [&](const char* how) {
    const std::string fields = std::string(R"({"how": ")") + how + R"(", "text": ")" + place + R"("})";
    (void)TENON_VALUE(
        runtime.call("unruly.act", TENON_VALUE(tenon::test::argument_from_json(runtime, "unruly.act", fields))));
  };
  start_child("child that stays");
  start_child("child that stays in a session of its own");
  std::vector<long> children;
  while (children.size() < 2) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    children.clear();
    std::ifstream file(place);
    for (long child = 0; file >> child;) {
      children.push_back(child);
    }
  }
  // A worker whose descriptors are replaced, including the channel to its host.
  const auto replaced =
      runtime.submit("unruly.act", TENON_VALUE(tenon::test::argument_from_json(
                                       runtime, "unruly.act", R"({"how": "replace and stay", "text": "/dev/null"})")));
  for (const auto& worker : tenon::test::stats_of_all_workers(runtime).workers) {
    std::printf("%lld ", static_cast<long long>(worker.pid));
  }
  std::printf("\n");
  for (const long child : children) {
    std::printf("%ld ", child);
  }
  std::printf("\n");
  std::fflush(stdout);
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&runtime] {
      for (;;) {
        (void)runtime.call<tenon::Bytes>("tenon.echo", tenon::test::bytes_argument("busy"));
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  return 0;
}
