#include "pipeline/engine.hpp"

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "engine_fixture.hpp"
#include "fake_executor.hpp"
#include "tenon_test/catch.hpp"

namespace tenon::test {

TEST_CASE("Engine: batches have their size, the last may be smaller") {
  const Graph::Impl graph = graph_of(numbers(25) + R"(
[stages.batch]
kind = "batch"
task = "tenon.sum"
inputs = ["numbers"]
size = 10
[sinks.out]
task = "tenon.sum"
inputs = ["batch"]
)");
  FakeExecutor executor;
  const RunReport report = run(graph, executor);
  CHECK(executor.task("tenon.sum").opened == 4);
  CHECK(stage(report, "batch").grouped == 25);
  CHECK(stage(report, "batch").items_out == 3);
  CHECK(stage(report, "out").grouped == 3);
  std::vector<std::size_t> fed = executor.task("tenon.sum").fed;
  std::sort(fed.begin(), fed.end());
  REQUIRE(fed.size() >= 3);
  CHECK(fed.back() == 10);
  check_accounts(graph, report, true);
}

TEST_CASE("Engine: max_wait closes a batch before it is full") {
  const Graph::Impl graph = graph_of(numbers(6) + R"(
[stages.batch]
kind = "batch"
task = "tenon.sum"
inputs = ["numbers"]
size = 100
max_wait = "10ms"
[sinks.out]
task = "tenon.discard"
inputs = ["batch"]
)" + "[pipeline]\nqueue = { items = 2 }\n");
  FakeExecutor executor;
  // Two items at a time, with long pauses in between.
  for (int i = 1; i < 40; ++i) {
    if (i % 8 != 0) {
      executor.task("tenon.numbers").pauses.insert(i);
    }
  }
  const RunReport report = run(graph, executor);
  CHECK(stage(report, "batch").grouped == 6);
  CHECK(stage(report, "batch").items_out == 3);
  check_accounts(graph, report, true);
}

TEST_CASE("Engine: a failed batch fails its items and no others") {
  const Graph::Impl graph = graph_of(numbers(30) + R"(
[stages.batch]
kind = "batch"
task = "tenon.sum"
inputs = ["numbers"]
size = 10
workers = 1
[sinks.out]
task = "tenon.discard"
inputs = ["batch"]
)");
  FakeExecutor executor;
  executor.task("tenon.sum").failures = {2};  // This is the feed of the second batch.
  const RunReport report = run(graph, executor);
  CHECK(report.end == RunReport::End::kDone);
  CHECK(stage(report, "batch").failed == 10);
  CHECK(stage(report, "batch").grouped == 20);
  CHECK(stage(report, "out").items_out == 2);
  REQUIRE(report.failures.size() == 1);
  CHECK(report.failures[0].item == "batch 1 (10 items, from item 10)");
  check_accounts(graph, report, true);
}

TEST_CASE("Engine: a failed batch is tried again, a slow one ends") {
  const std::string batch = R"(
[stages.batch]
kind = "batch"
task = "tenon.sum"
inputs = ["numbers"]
size = 10
workers = 1
OPTION
[sinks.out]
task = "tenon.discard"
inputs = ["batch"]
)";
  const auto with = [&](const std::string& option) {
    std::string text = batch;
    return numbers(20) + text.replace(text.find("OPTION"), 6, option);
  };
  SECTION("retry") {
    const Graph::Impl graph = graph_of(with("retry = { attempts = 2, backoff = \"1s\" }"));
    FakeExecutor executor;
    executor.task("tenon.sum").failures = {1};
    executor.task("tenon.sum").crashes = {5};
    const RunReport report = run(graph, executor);
    CHECK(report.failure_count == 0);
    CHECK(stage(report, "batch").retried == 2);
    CHECK(stage(report, "batch").grouped == 20);
    CHECK(report.seconds >= 2.0);
    check_accounts(graph, report, true);
  }
  SECTION("timeout") {
    const Graph::Impl graph = graph_of(with("timeout = \"1ms\""));
    FakeExecutor executor;
    executor.task("tenon.sum").least = std::chrono::seconds(1);
    executor.task("tenon.sum").most = std::chrono::seconds(1);
    const RunReport report = run(graph, executor);
    CHECK(stage(report, "batch").failed == 20);
    REQUIRE(report.failures.size() == 2);
    CHECK(report.failures[0].error.code == ErrorCode::kDeadline);
    CHECK(report.seconds < 1.0);
    check_accounts(graph, report, true);
  }
  SECTION("a result that comes although the time is over counts, since the task may have written it") {
    const Graph::Impl graph = graph_of(with("timeout = \"1ms\""));
    FakeExecutor executor;
    executor.task("tenon.sum").least = std::chrono::microseconds(400);
    executor.task("tenon.sum").most = std::chrono::microseconds(400);
    executor.task("tenon.sum").ignores_cancel = true;
    const RunReport report = run(graph, executor);
    CHECK(report.failure_count == 0);
    CHECK(stage(report, "batch").grouped == 20);
    check_accounts(graph, report, true);
  }
}

TEST_CASE("Engine: a reduce stage gives one result, for an empty stream too") {
  for (const int count : {0, 700}) {
    const Graph::Impl graph = graph_of(numbers(count) + R"(
[stages.reduce]
kind = "reduce"
task = "tenon.sum"
inputs = ["numbers"]
[sinks.out]
task = "tenon.discard"
inputs = ["reduce"]
)");
    FakeExecutor executor;
    const RunReport report = run(graph, executor);
    CHECK(stage(report, "reduce").grouped == static_cast<std::uint64_t>(count));
    CHECK(stage(report, "reduce").items_out == 1);
    CHECK(stage(report, "out").items_out == 1);
    check_accounts(graph, report, true);
  }
}

}  // namespace tenon::test
