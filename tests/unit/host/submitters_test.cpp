/// Threads that submit to one runtime at once.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

#include "tenon_test/catch.hpp"
#include "tenon_test/runtime.hpp"

using namespace tenon;

TEST_CASE("submitters: threads that submit at once keep within the bound of the queue, and every call ends") {
  RuntimeOptions options = tenon::test::runtime_options(2);
  options.plugin_dirs = {tenon::test::build_dir() / "plugins"};
  options.max_queued_calls = 300;
  auto runtime = Runtime::start(std::move(options));
  REQUIRE(runtime);
  const auto argument = *tenon::test::argument_from_json(*runtime, "tenon.sleep", "{}");
  std::atomic<bool> done{false};
  std::atomic<std::uint64_t> most{0};
  std::atomic<int> succeeded{0};
  std::thread watcher([&] {
    while (!done.load()) {
      const RuntimeStats stats = runtime->stats();
      most.store(std::max(most.load(), stats.queued + stats.running));
    }
  });
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&] {
      std::vector<Future<Reply>> futures;
      for (int i = 0; i < 3'000; ++i) {
        futures.push_back(runtime->submit("tenon.sleep", argument));
      }
      for (const auto& future : futures) {
        succeeded += future.get().has_value() ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  done = true;
  watcher.join();
  REQUIRE(succeeded == 12'000);
  REQUIRE(most.load() <= 304);  // Each thread may be stopped on its way into the intake.
}

TEST_CASE("submitters: calls that are submitted while the runtime shuts down end, run or refused") {
  for (const Shutdown how : {Shutdown::kDrain, Shutdown::kCancel, Shutdown::kKill}) {
    auto runtime = Runtime::start(tenon::test::runtime_options(1));
    REQUIRE(runtime);
    const auto argument = *tenon::test::argument_from_json(*runtime, "tenon.sleep", "{}");
    std::vector<std::thread> threads;
    std::atomic<int> wrong{0};
    for (int thread = 0; thread < 3; ++thread) {
      threads.emplace_back([&] {
        std::vector<Future<Reply>> futures;
        for (int i = 0; i < 2'000; ++i) {
          futures.push_back(runtime->submit("tenon.sleep", argument));
        }
        for (const auto& future : futures) {
          const auto reply = future.get();
          if (!reply && reply.error().code != ErrorCode::kRejected && reply.error().code != ErrorCode::kCancelled) {
            ++wrong;
          }
        }
      });
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    runtime->shutdown(how);
    for (std::thread& thread : threads) {
      thread.join();
    }
    REQUIRE(wrong == 0);
  }
}
