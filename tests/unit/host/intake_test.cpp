#include "host/intake.hpp"

#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "scene.hpp"
#include "tenon_test/catch.hpp"

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
