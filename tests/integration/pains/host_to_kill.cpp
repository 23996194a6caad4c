// A host that keeps its workers busy until it is killed. Prints the workers' process ids on one
// line, and on the next line those of children that a task started: one in the worker's process
// group, one in a separate session.
#include <chrono>
#include <cstdio>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "tenon_test/check.hpp"
#include "tenon_test/runtime.hpp"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: host_to_kill FILE   (an empty one, for notes)\n", stderr);
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
