// A host that keeps its workers busy until somebody kills it. Prints the workers' process ids on one line.
#include <cstdio>
#include <thread>
#include <vector>

#include "tenon_test/check.hpp"
#include "tenon_test/runtime.hpp"

int main() {
  auto runtime = TENON_VALUE(tenon::Runtime::start(tenon::test::runtime_options(3)));
  // A large argument and a large result, so that blocks of shared memory of every kind are there.
  const std::string large(std::size_t{8} << 20, 'x');
  (void)TENON_VALUE(runtime.call<tenon::Bytes>("tenon.echo", tenon::test::bytes_argument(large)));
  for (const auto& worker : tenon::test::stats_of_all_workers(runtime).workers) {
    std::printf("%lld ", static_cast<long long>(worker.pid));
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
