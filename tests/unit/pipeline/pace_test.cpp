#include "pipeline/pace.hpp"

#include <chrono>
#include <cstdint>

#include "tenon_test/catch.hpp"

namespace tenon::test {
namespace {

using internal::CallWindow;
using internal::StepSize;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using TimePoint = CallWindow::TimePoint;

/// In each of `count` rounds, `calls` calls end; rounds are `apart` from each other.
void rounds(CallWindow& window, TimePoint& now, int count, std::uint32_t calls, microseconds apart) {
  for (int i = 0; i < count; ++i) {
    now += apart;
    for (std::uint32_t call = 0; call < calls; ++call) {
      window.ended();
    }
    window.measure(now);
  }
}

}  // namespace

TEST_CASE("CallWindow: a fixed one keeps its size") {
  CallWindow window = CallWindow::fixed(3);
  TimePoint now{std::chrono::hours(1)};
  window.began(now);
  rounds(window, now, 100, 1000, microseconds(50));
  CHECK(window.size() == 3);
  rounds(window, now, 100, 1, milliseconds(50));
  CHECK(window.size() == 3);
}

TEST_CASE("CallWindow: an adaptive one holds what ends within its time") {
  CallWindow window = CallWindow::adaptive(4);
  CHECK(window.size() == 4 * CallWindow::kLeastPerWorker);
  TimePoint now{std::chrono::hours(1)};
  window.began(now);
  SECTION("short calls") {
    rounds(window, now, 100, 10, microseconds(100));
    CHECK(window.size() == 100);
  }
  SECTION("no more than the bound") {
    rounds(window, now, 100, 100000, microseconds(100));
    CHECK(window.size() == 4 * CallWindow::kMostPerWorker);
  }
  SECTION("long calls") {
    rounds(window, now, 100, 1, milliseconds(20));
    CHECK(window.size() == 4 * CallWindow::kLeastPerWorker);
  }
  SECTION("less than one interval changes nothing") {
    rounds(window, now, 9, 100, microseconds(100));
    CHECK(window.size() == 4 * CallWindow::kLeastPerWorker);
  }
}

TEST_CASE("CallWindow: calls begin in groups once it has grown") {
  CallWindow window = CallWindow::adaptive(2);
  CHECK(window.free(0) == 4);
  CHECK(window.free(3) == 1);
  CHECK(window.free(4) == 0);
  CHECK(window.free(5) == 0);
  TimePoint now{std::chrono::hours(1)};
  window.began(now);
  rounds(window, now, 1, 100, milliseconds(1));
  REQUIRE(window.size() == 100);
  CHECK(window.free(0) == 100);
  CHECK(window.free(75) == 25);
  CHECK(window.free(76) == 0);
  CHECK(window.free(1000) == 0);
  CHECK(CallWindow::fixed(100).free(99) == 1);
}

TEST_CASE("CallWindow: one slow interval changes nothing, many do") {
  CallWindow window = CallWindow::adaptive(2);
  TimePoint now{std::chrono::hours(1)};
  window.began(now);
  rounds(window, now, 20, 50, milliseconds(1));
  REQUIRE(window.size() == 50);
  rounds(window, now, 15, 1, milliseconds(10));
  CHECK(window.size() == 50);
  rounds(window, now, 1, 1, milliseconds(10));
  CHECK(window.size() == 2 * CallWindow::kLeastPerWorker);
}

TEST_CASE("CallWindow: the time without a call does not count, a round's end does") {
  CallWindow window = CallWindow::adaptive(2);
  TimePoint now{std::chrono::hours(1)};
  window.began(now);
  SECTION("idle") {
    for (int i = 0; i < 100; ++i) {
      window.ended();
      window.became_idle(now + microseconds(10));
      now += milliseconds(10);
      window.began(now);
      window.measure(now);
    }
    CHECK(window.size() == 2 * CallWindow::kLeastPerWorker);
    rounds(window, now, 1, 500, milliseconds(1));
    CHECK(window.size() == 500);
  }
  SECTION("all calls end in each round") {
    for (int i = 0; i < 100; ++i) {
      now += microseconds(100);
      for (int call = 0; call < 20; ++call) {
        window.ended();
      }
      window.became_idle(now);
      window.measure(now);
      window.began(now);
    }
    CHECK(window.size() == 200);
  }
}

TEST_CASE("StepSize: doubles while full steps are quick, up to its bound") {
  StepSize step;
  CHECK(step.size() == StepSize::kFirst);
  step.stepped(StepSize::kFirst, microseconds(30));
  CHECK(step.size() == 2 * StepSize::kFirst);
  for (int i = 0; i < 20; ++i) {
    step.stepped(step.size(), microseconds(30));
  }
  CHECK(step.size() == StepSize::kMost);
}

TEST_CASE("StepSize: a step that is not full says nothing of a larger one") {
  StepSize step;
  step.stepped(StepSize::kFirst - 1, microseconds(30));
  CHECK(step.size() == StepSize::kFirst);
  step.stepped(0, milliseconds(500));
  CHECK(step.size() == StepSize::kFirst);
}

TEST_CASE("StepSize: a slow step makes the next smaller, never empty") {
  StepSize step;
  for (int i = 0; i < 20; ++i) {
    step.stepped(step.size(), microseconds(30));
  }
  step.stepped(1000, 10 * StepSize::kTime);
  CHECK(step.size() == 100);
  step.stepped(1, std::chrono::hours(1));
  CHECK(step.size() == 1);
}

TEST_CASE("StepSize: large items make a step smaller, by their size in the last one") {
  StepSize step;
  CHECK(step.within(1) == StepSize::kFirst);
  step.carried(10, 1000);
  CHECK(step.within(400) == 4);
  CHECK(step.within(399) == 3);
  CHECK(step.within(1) == 1);
  CHECK(step.within(0) == 1);
  step.carried(0, 0);
  CHECK(step.within(400) == 4);
}

TEST_CASE("StepSize: another stream of the same task begins small, knowing how large its items may be") {
  StepSize step;
  for (int i = 0; i < 20; ++i) {
    step.stepped(step.size(), microseconds(30));
  }
  step.carried(10, 1000);
  CHECK(step.for_another().size() == StepSize::kMostAtFirst);
  CHECK(step.for_another().within(400) == 4);
  step.stepped(1, std::chrono::hours(1));
  CHECK(step.for_another().size() == 1);
}

}  // namespace tenon::test
