#include "pipeline/node_timers.hpp"

#include <optional>
#include <vector>

#include "tenon_test/catch.hpp"

namespace tenon::test {

using internal::NodeTimer;
using internal::NodeTimers;
using std::chrono::milliseconds;

namespace {

NodeTimers::TimePoint at(int ms) {
  return NodeTimers::TimePoint(milliseconds(ms));
}

std::vector<std::uint32_t> due(NodeTimers& timers, int ms) {
  std::vector<std::uint32_t> nodes;
  while (const std::optional<NodeTimer> timer = timers.take_due(at(ms))) {
    nodes.push_back(timer->node);
  }
  return nodes;
}

}  // namespace

TEST_CASE("NodeTimers: fire in the order of their times, and not before") {
  NodeTimers timers;
  CHECK_FALSE(timers.next());
  timers.set({.at = at(30), .node = 3});
  timers.set({.at = at(10), .node = 1});
  timers.set({.at = at(20), .node = 2});
  CHECK(timers.next() == at(10));
  CHECK(due(timers, 9).empty());
  CHECK(due(timers, 20) == std::vector<std::uint32_t>{1, 2});
  CHECK(due(timers, 30) == std::vector<std::uint32_t>{3});
  CHECK(timers.empty());
}

TEST_CASE("NodeTimers: a pause stops the time of batches that gather, and no other") {
  NodeTimers timers;
  timers.set({.at = at(10), .kind = NodeTimer::Kind::kGather, .node = 1});
  timers.set({.at = at(10), .kind = NodeTimer::Kind::kBatchTimeout, .node = 2});
  timers.pause(at(5));
  CHECK(due(timers, 100) == std::vector<std::uint32_t>{2});
  timers.hold({.at = at(100), .kind = NodeTimer::Kind::kBatchRetry, .node = 3});
  CHECK(timers.empty());
  timers.resume(at(105));
  CHECK(due(timers, 109) == std::vector<std::uint32_t>{3});
  CHECK(due(timers, 110) == std::vector<std::uint32_t>{1});
}

TEST_CASE("NodeTimers: those of the selected nodes can be made due at once") {
  NodeTimers timers;
  timers.set({.at = at(100), .node = 1});
  timers.set({.at = at(50), .node = 2});
  timers.hurry(at(10), [](std::uint32_t node) { return node == 1; });
  CHECK(due(timers, 10) == std::vector<std::uint32_t>{1});
  CHECK(timers.next() == at(50));
}

}  // namespace tenon::test
