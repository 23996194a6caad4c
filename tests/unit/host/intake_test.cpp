#include "host/intake.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "scene.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/runtime.hpp"

using namespace tenon;
using namespace tenon::internal;
using tenon::test::Scene;

namespace {

std::vector<std::uint64_t> ids_of(Call* first) {
  std::vector<std::uint64_t> ids;
  while (first != nullptr) {
    Call* next = first->next();
    ids.push_back(CallRef::adopt(first)->id());
    first = next;
  }
  return ids;
}

}  // namespace

TEST_CASE("Intake: takes no call while it is closed") {
  Scene scene;
  Intake intake;
  CallRef call = scene.call();
  REQUIRE_FALSE(intake.is_open());
  REQUIRE_FALSE(intake.leave(call));
  REQUIRE(call != nullptr);
}

TEST_CASE("Intake: gives out calls in the order in which they came, and closes when there are none") {
  Scene scene;
  Intake intake;
  intake.open(8);
  std::vector<std::uint64_t> left;
  for (int i = 0; i < 3; ++i) {
    CallRef call = scene.call();
    left.push_back(call->id());
    REQUIRE(intake.leave(call));
    REQUIRE(call == nullptr);
  }
  REQUIRE(ids_of(intake.take_or_close()) == left);
  REQUIRE(intake.is_open());
  REQUIRE(intake.take_or_close() == nullptr);
  REQUIRE_FALSE(intake.is_open());
}

TEST_CASE("Intake: takes as many calls as it has room for until it is opened again") {
  Scene scene;
  Intake intake;
  intake.open(2);
  CallRef calls[] = {scene.call(), scene.call(), scene.call()};
  REQUIRE(intake.leave(calls[0]));
  REQUIRE(ids_of(intake.take_or_close()).size() == 1);
  REQUIRE(intake.leave(calls[1]));
  REQUIRE_FALSE(intake.leave(calls[2]));
  REQUIRE(ids_of(intake.take_or_close()).size() == 1);
  REQUIRE(intake.take_or_close() == nullptr);
  intake.open(1);
  REQUIRE(intake.leave(calls[2]));
  REQUIRE(ids_of(intake.take_or_close()).size() == 1);
}

TEST_CASE("Intake: each call comes out once, and those of a thread in their order") {
  constexpr int kThreads = 4;
  constexpr std::uint64_t kEach = 5'000;
  Scene scene;
  std::vector<std::vector<CallRef>> calls(kThreads);
  for (auto& of_thread : calls) {
    for (std::uint64_t i = 0; i < kEach; ++i) {
      of_thread.push_back(scene.call());
    }
  }
  const std::uint64_t first_id = calls[0][0]->id();
  Intake intake;
  std::mutex lock;
  std::vector<std::uint64_t> seen;  // Guarded by `lock`, as the scheduler is.
  std::vector<std::thread> threads;
  for (auto& of_thread : calls) {
    threads.emplace_back([&] {
      for (CallRef& call : of_thread) {
        if (intake.leave(call)) {
          continue;
        }
        const std::lock_guard held(lock);
        intake.open(16);
        seen.push_back(call->id());
        while (Call* left = intake.take_or_close()) {
          const auto ids = ids_of(left);
          seen.insert(seen.end(), ids.begin(), ids.end());
        }
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  REQUIRE_FALSE(intake.is_open());
  REQUIRE(seen.size() == kThreads * kEach);
  std::vector<std::uint64_t> next(kThreads);
  bool in_order = true;
  for (const std::uint64_t id : seen) {
    const std::uint64_t thread = (id - first_id) / kEach;
    in_order = in_order && id - first_id == thread * kEach + next[thread];
    ++next[thread];
  }
  REQUIRE(in_order);
}

TEST_CASE("Intake: threads that submit at once keep within the bound of the queue, and every call ends") {
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

TEST_CASE("Intake: calls that are submitted while the runtime shuts down end, run or refused") {
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
