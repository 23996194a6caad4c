#include "pipeline/engine.hpp"

#include <atomic>
#include <chrono>
#include <string>

#include "engine_fixture.hpp"
#include "fake_executor.hpp"
#include "tenon_test/catch.hpp"

namespace tenon::test {

TEST_CASE("Engine: stop = 1 delivers what has begun, but no result over a part of the stream") {
  std::atomic<int> stop{0};
  const Graph::Impl graph = graph_of(numbers(1000000) + chain("") + R"(
[stages.batch]
kind = "batch"
task = "tenon.sum"
inputs = ["double"]
size = 1000
[stages.total]
kind = "reduce"
task = "tenon.sum"
inputs = ["batch"]
[sinks.plain]
task = "tenon.discard"
inputs = ["double", "batch"]
[sinks.of_total]
task = "tenon.discard"
inputs = ["total"]
)");
  FakeExecutor executor;
  RunOptions options;
  options.stop = &stop;
  executor.on_wait = [&] {
    if (executor.waits() == 2000) {
      stop = 1;
    }
  };
  const RunReport report = run(graph, executor, options);
  CHECK(report.end == RunReport::End::kInterrupted);
  CHECK_FALSE(report.error);
  const std::uint64_t given = stage(report, "numbers").items_out;
  CHECK(given > 1000);
  CHECK(given < 1000000);
  CHECK(stage(report, "plain").items_out == given + given / 1000);
  CHECK(report.outputs.empty());
  const std::string note = "no result: the run was interrupted before its input ended";
  CHECK(stage(report, "sum").grouped == 0);
  CHECK(stage(report, "sum").dropped == given);
  CHECK(stage(report, "sum").note == note);
  CHECK(stage(report, "total").items_out == 0);
  CHECK(stage(report, "total").dropped == given / 1000);
  CHECK(stage(report, "total").note == note);
  CHECK(stage(report, "of_total").items_in == 0);
  CHECK(stage(report, "batch").grouped == given - given % 1000);
  CHECK(stage(report, "batch").dropped == given % 1000);
  CHECK(stage(report, "batch").note.empty() == (given % 1000 == 0));
  CHECK(stage(report, "double").note.empty());
  CHECK(executor.task("tenon.sum").running == 0);
  check_accounts(graph, report, true);
}

TEST_CASE("Engine: stop = 1 lets a reduce whose source had ended give its result") {
  std::atomic<int> stop{0};
  const Graph::Impl graph = graph_of(numbers(100) + chain("") + R"(
[sources.endless]
task = "tenon.numbers"
args = { count = 100000000 }
[sinks.of_endless]
task = "tenon.sum"
inputs = ["endless"]
)");
  FakeExecutor executor;
  RunOptions options;
  options.stop = &stop;
  executor.on_wait = [&] { stop = executor.waits() > 500 ? 1 : 0; };
  const RunReport report = run(graph, executor, options);
  CHECK(report.end == RunReport::End::kInterrupted);
  REQUIRE(report.outputs.size() == 1);
  CHECK(report.outputs[0].first == "sum");
  CHECK(split(text_of(report.outputs[0].second)).size() == 100);
  CHECK(stage(report, "sum").note.empty());
  CHECK_FALSE(stage(report, "of_endless").note.empty());
  check_accounts(graph, report, true);
}

TEST_CASE("Engine: stop = 2 cancels and leaves nothing running") {
  std::atomic<int> stop{0};
  const Graph::Impl graph = graph_of(numbers(1000000) + chain("order = \"input\""));
  FakeExecutor executor;
  executor.task("tenon.double").least = std::chrono::hours(10);
  executor.task("tenon.double").most = std::chrono::hours(20);
  RunOptions options;
  options.stop = &stop;
  executor.on_wait = [&] {
    if (executor.waits() == 50) {
      stop = 2;
    }
  };
  const RunReport report = run(graph, executor, options);
  CHECK(report.end == RunReport::End::kInterrupted);
  CHECK(report.failure_count == 0);
  CHECK(report.seconds < 3600);
  CHECK(executor.task("tenon.double").running == 0);
  CHECK(executor.task("tenon.numbers").running == 0);
  CHECK(executor.task("tenon.sum").running == 0);
  CHECK(stage(report, "double").in_flight > 0);
  check_accounts(graph, report, false);
}

TEST_CASE("Engine: a stop before the start runs nothing") {
  const std::atomic<int> stop{2};
  const Graph::Impl graph = graph_of(numbers(10) + chain(""));
  FakeExecutor executor;
  RunOptions options;
  options.stop = &stop;
  const RunReport report = run(graph, executor, options);
  CHECK(report.end == RunReport::End::kInterrupted);
  CHECK(executor.task("tenon.numbers").opened == 0);
}

}  // namespace tenon::test
