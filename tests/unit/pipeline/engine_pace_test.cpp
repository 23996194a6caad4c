#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>

#include "engine_fixture.hpp"
#include "fake_executor.hpp"
#include "pipeline/engine.hpp"
#include "pipeline/pace.hpp"
#include "tenon_test/catch.hpp"

namespace tenon::test {
namespace {

using internal::CallWindow;
using internal::StepSize;
using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr unsigned kWorkers = 4;

void takes(FakeTask& task, microseconds time) {
  task.least = time;
  task.most = time;
}

}  // namespace

TEST_CASE("Engine: calls under way follow how long they take") {
  const Graph::Impl graph = graph_of(numbers(20000) + chain(""));
  FakeExecutor executor(1, kWorkers);
  executor.queue_calls(microseconds(50));
  FakeTask& task = executor.task("tenon.double");
  SECTION("short: more than there are workers, so that none waits for the engine") {
    takes(task, microseconds(10));
    const RunReport report = run(graph, executor);
    // The calls that the workers finish within the window's time, and half as many that are under
    // way.
    CHECK(task.most_running >= 300);
    CHECK(task.most_running <= 600);
    // 20000 calls on 4 workers take 50 ms; with two calls under way for each worker they would take
    // 150.
    CHECK(report.seconds < 0.07);
    // Completions come four at a time, but calls start in larger groups.
    CHECK(task.arguments.size() / executor.flushes() >= 50);
    check_accounts(graph, report, true);
  }
  SECTION("next to nothing: bounded") {
    takes(executor.task("tenon.numbers"), microseconds(1));
    takes(executor.task("tenon.sum"), microseconds(1));
    takes(task, microseconds(0));
    const RunReport report = run(graph, executor);
    CHECK(task.most_running > 500);
    CHECK(task.most_running <= kWorkers * CallWindow::kMostPerWorker);
    check_accounts(graph, report, true);
  }
  SECTION("long: the next one for each worker alone") {
    takes(task, milliseconds(20));
    const RunReport report = run(graph, executor);
    CHECK(task.most_running == kWorkers * CallWindow::kLeastPerWorker);
    CHECK(report.seconds >= 100);
    CHECK(report.seconds < 101);
    check_accounts(graph, report, true);
  }
}

TEST_CASE("Engine: a stage that turns slow gets fewer calls") {
  const Graph::Impl graph = graph_of(numbers(20000) + chain(""));
  FakeExecutor executor(1, kWorkers);
  executor.queue_calls(microseconds(50));
  FakeTask& task = executor.task("tenon.double");
  takes(task, microseconds(10));
  bool slow = false;
  executor.on_wait = [&] {
    if (!slow && task.arguments.size() > 15000) {
      slow = true;
      takes(task, milliseconds(5));
    }
    if (task.arguments.size() == 19000) {
      task.most_running = 0;
    }
  };
  const RunReport report = run(graph, executor);
  CHECK(slow);
  CHECK(report.end == RunReport::End::kDone);
  CHECK(task.most_running == kWorkers * CallWindow::kLeastPerWorker);
  check_accounts(graph, report, true);
}

TEST_CASE("Engine: a number of workers in the file is the calls under way, whatever they take") {
  for (const std::uint32_t calls : {1U, 5U, 40U}) {
    const Graph::Impl graph = graph_of(numbers(2000) + chain("workers = " + std::to_string(calls)));
    FakeExecutor executor(1, kWorkers);
    executor.queue_calls(microseconds(50));
    takes(executor.task("tenon.double"), microseconds(10));
    const RunReport report = run(graph, executor);
    CHECK(executor.task("tenon.double").most_running == calls);
    check_accounts(graph, report, true);
  }
}

TEST_CASE("Engine: a source's steps follow how long its items take") {
  const Graph::Impl graph = graph_of(numbers(20000) + chain(""));
  FakeExecutor executor(1, kWorkers);
  FakeTask& source = executor.task("tenon.numbers");
  takes(source, microseconds(50));
  SECTION("quick: up to what the queue holds") {
    const RunReport report = run(graph, executor);
    CHECK(source.asked.front() == StepSize::kFirst);
    CHECK(*std::max_element(source.asked.begin(), source.asked.end()) == StepSize::kMost);
    CHECK(source.asked.size() < 100);
    check_accounts(graph, report, true);
  }
  SECTION("slow: about as many as take a step's time") {
    source.per_item = microseconds(500);
    const RunReport report = run(graph, executor);
    CHECK(source.asked.back() >= 5);
    CHECK(source.asked.back() <= 20);
    check_accounts(graph, report, true);
  }
  SECTION("slower than a step's time: one by one") {
    source.per_item = milliseconds(20);
    const RunReport report = run(graph, executor);
    CHECK(source.asked.back() == 1);
    check_accounts(graph, report, true);
  }
}

TEST_CASE("Engine: a source's steps leave room for their bytes") {
  // Items of about 20 bytes.
  const Graph::Impl graph = graph_of("[pipeline]\nqueue = { bytes = \"1000B\" }\n" + numbers(5000) + chain(""));
  FakeExecutor executor(1, kWorkers);
  FakeTask& source = executor.task("tenon.numbers");
  const RunReport report = run(graph, executor);
  CHECK(*std::max_element(source.asked.begin(), source.asked.end()) <= 60);
  CHECK(source.asked.back() > 1);
  check_accounts(graph, report, true);
}

TEST_CASE("Engine: a reduce's feeds follow how long its items take") {
  const Graph::Impl graph = graph_of(numbers(20000) + chain(""));
  FakeExecutor executor(1, kWorkers);
  FakeTask& reduce = executor.task("tenon.sum");
  takes(reduce, microseconds(500));
  takes(executor.task("tenon.numbers"), microseconds(1));
  SECTION("quick") {
    const RunReport report = run(graph, executor);
    CHECK(*std::max_element(reduce.fed.begin(), reduce.fed.end()) > 256);
    check_accounts(graph, report, true);
  }
  SECTION("slow") {
    reduce.per_item = milliseconds(1);
    const RunReport report = run(graph, executor);
    CHECK(*std::max_element(reduce.fed.begin(), reduce.fed.end()) <= 8);
    check_accounts(graph, report, true);
  }
}

}  // namespace tenon::test
