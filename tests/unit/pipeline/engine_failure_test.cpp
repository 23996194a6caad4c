#include "pipeline/engine.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "engine_fixture.hpp"
#include "fake_executor.hpp"
#include "tenon_test/catch.hpp"

namespace tenon::test {

TEST_CASE("Engine: a failed item is tried again as the file says") {
  FakeExecutor executor;
  std::map<std::string, int> attempts;
  executor.task("tenon.double").run = [&](const std::string& text) -> Result<std::string> {
    ++attempts[text];
    if (text.starts_with("value=1;")) {
      return fail(ErrorCode::kInvalidArgument, "never right");
    }
    if (text.starts_with("value=2;")) {
      return fail(ErrorCode::kCrashed, "always dies");
    }
    if (text.starts_with("value=3;") && attempts[text] < 3) {
      return fail(ErrorCode::kIo, "twice");
    }
    return text;
  };
  const Graph::Impl graph =
      graph_of(numbers(5) + chain("retry = { attempts = 4, backoff = \"200ms\", max = \"500ms\" }\norder = \"input\""));
  const RunReport report = run(graph, executor);
  CHECK(attempts[values(5)[0]] == 1);
  CHECK(attempts[values(5)[1]] == 1);
  CHECK(attempts[values(5)[2]] == 4);
  CHECK(attempts[values(5)[3]] == 3);
  CHECK(report.failure_count == 2);
  CHECK(stage(report, "double").retried == 5);
  // The delays are 200 + 400 + 500 ms.
  CHECK(report.seconds >= 1.1);
  CHECK(report.seconds < 1.3);
  check_accounts(graph, report, true);
}

TEST_CASE("Engine: an item beyond its time-out fails") {
  const Graph::Impl graph = graph_of(numbers(3) + chain("timeout = \"5ms\""));
  FakeExecutor executor;
  executor.task("tenon.double").least = std::chrono::seconds(1);
  executor.task("tenon.double").most = std::chrono::seconds(1);
  const RunReport report = run(graph, executor);
  CHECK(report.failure_count == 3);
  CHECK(report.failures.at(0).error.code == ErrorCode::kDeadline);
  check_accounts(graph, report, true);
}

TEST_CASE("Engine: failures beyond the limit are counted only") {
  const Graph::Impl graph = graph_of(numbers(100) + chain(""));
  FakeExecutor executor;
  executor.task("tenon.double").run = [](const std::string&) -> Result<std::string> {
    return fail(ErrorCode::kFailed, "no");
  };
  RunOptions options;
  options.max_reported_failures = 7;
  const RunReport report = run(graph, executor, options);
  CHECK(report.end == RunReport::End::kDone);
  CHECK(report.failures.size() == 7);
  CHECK(report.failure_count == 100);
  CHECK(stage(report, "double").failed == 100);
}

TEST_CASE("Engine: a stage whose first items all fail ends the run, and says with what") {
  FakeExecutor executor;
  const auto refuse = [](const std::string&) -> Result<std::string> { return fail(ErrorCode::kFailed, "no key"); };
  executor.task("tenon.double").run = refuse;
  SECTION("the usual number") {
    const Graph::Impl graph = graph_of(numbers(100'000) + chain(""));
    const RunReport report = run(graph, executor);
    CHECK(report.end == RunReport::End::kFailed);
    REQUIRE(report.error);
    CHECK(report.error->message.find("stage 'double': the first ") == 0);
    CHECK(report.error->message.find("no key") != std::string::npos);
    CHECK(report.failure_count >= 100);
    CHECK(report.failure_count < 10'000);
    check_accounts(graph, report, false);
  }
  SECTION("as the file says") {
    const Graph::Impl graph = graph_of("pipeline = { give_up_after = 3 }\n" + numbers(1000) + chain(""));
    CHECK(run(graph, executor).end == RunReport::End::kFailed);
    RunOptions never;
    never.give_up_after = 0;
    const RunReport report = run(graph, executor, never);
    CHECK(report.end == RunReport::End::kDone);
    CHECK(report.failure_count == 1000);
  }
  SECTION("not when one of them went well") {
    int calls = 0;
    executor.task("tenon.double").run = [&](const std::string& text) -> Result<std::string> {
      return ++calls == 50 ? Result<std::string>(text) : refuse(text);
    };
    const RunReport report = run(graph_of(numbers(2000) + chain("")), executor);
    CHECK(report.end == RunReport::End::kDone);
    CHECK(report.failure_count == 1999);
  }
}

TEST_CASE("Engine: failures are told while they happen, the first of a kind at once and the others by count") {
  const Graph::Impl graph = graph_of(numbers(4000) + chain("workers = 1"));
  FakeExecutor executor;
  executor.task("tenon.double").least = std::chrono::milliseconds(10);
  executor.task("tenon.double").most = std::chrono::milliseconds(10);
  std::uint64_t calls = 0;
  executor.task("tenon.double").run = [&](const std::string& text) -> Result<std::string> {
    ++calls;
    if (calls % 2 == 0) {
      return fail(calls < 3000 ? ErrorCode::kFailed : ErrorCode::kIo, "item " + std::to_string(calls));
    }
    return text;
  };
  std::vector<FailureNotice> notices;
  std::vector<std::uint64_t> told_at;
  RunOptions options;
  options.on_failure = [&](const FailureNotice& notice) {
    notices.push_back(notice);
    told_at.push_back(calls);
  };
  const RunReport report = run(graph, executor, options);
  CHECK(report.end == RunReport::End::kDone);
  REQUIRE(notices.size() >= 6);
  CHECK(notices.size() <= 16);  // 40 s of simulated time.
  CHECK(notices[0].stage == "double");
  CHECK(notices[0].count == 1);
  CHECK(notices[0].error.message == "item 2");
  CHECK(told_at[0] <= 3);
  std::map<ErrorCode, std::uint64_t> told;
  for (const FailureNotice& notice : notices) {
    told[notice.code] += notice.count;
    CHECK(notice.total == told[notice.code]);
  }
  CHECK(told[ErrorCode::kFailed] + told[ErrorCode::kIo] == report.failure_count);
  CHECK(told[ErrorCode::kIo] > 0);
}

TEST_CASE("Engine: a failing source or reduce fails the run and says why") {
  const Graph::Impl graph = graph_of(numbers(5000) + chain(""));
  SECTION("source") {
    FakeExecutor executor;
    executor.task("tenon.numbers").failures = {2};
    const RunReport report = run(graph, executor);
    CHECK(report.end == RunReport::End::kFailed);
    REQUIRE(report.error);
    CHECK(report.error->message == "source 'numbers' (tenon.numbers) failed: the disk is full");
    check_accounts(graph, report, false);
  }
  SECTION("reduce") {
    FakeExecutor executor;
    executor.task("tenon.sum").failures = {3};
    const RunReport report = run(graph, executor);
    CHECK(report.end == RunReport::End::kFailed);
    REQUIRE(report.error);
    CHECK(report.error->message == "sink 'sum' (tenon.sum) failed: the disk is full");
    CHECK(report.outputs.empty());
    check_accounts(graph, report, false);
  }
  SECTION("a crash without checkpoints") {
    FakeExecutor executor;
    executor.task("tenon.sum").checkpoints = false;
    executor.task("tenon.sum").crashes = {3};
    const RunReport report = run(graph, executor);
    CHECK(report.end == RunReport::End::kFailed);
    REQUIRE(report.error);
    CHECK(report.error->code == ErrorCode::kCrashed);
    CHECK(
        report.error->message ==
        "sink 'sum' (tenon.sum) failed: the worker died with signal 11; the task gives no checkpoint to continue from");
  }
}

TEST_CASE("Engine: a session whose worker dies goes on from its checkpoint, nothing lost or doubled") {
  const Graph::Impl graph = graph_of(numbers(40000) + chain("order = \"input\""));
  FakeExecutor executor;
  executor.task("tenon.numbers").crashes = {0, 3, 20, 21, 22, 35};
  executor.task("tenon.sum").crashes = {0, 5, 15, 16, 30};
  const RunReport report = run(graph, executor);
  INFO((report.error ? report.error->message : std::string()));
  REQUIRE(report.end == RunReport::End::kDone);
  CHECK(split(text_of(report.outputs.at(0).second)) == values(40000));
  CHECK(stage(report, "numbers").retried == 6);
  CHECK(stage(report, "sum").retried == 5);
  check_accounts(graph, report, true);
}

TEST_CASE("Engine: a source that dies again while it comes to what it has given already gives nothing twice") {
  const Graph::Impl graph = graph_of(numbers(12000) + chain("order = \"input\""));
  FakeExecutor calm;
  REQUIRE(run(graph, calm).end == RunReport::End::kDone);
  const int steps = calm.task("tenon.numbers").operations;
  REQUIRE(calm.task("tenon.numbers").checkpoints_taken >= 2);
  // First when a checkpoint is due, then in each later step.
  for (int second = 0; second < 2 * steps; ++second) {
    FakeExecutor executor;
    executor.task("tenon.numbers").checkpoint_crashes = {1};
    executor.task("tenon.numbers").crashes = {second};
    const RunReport report = run(graph, executor);
    INFO("the second time at step " << second << " " << (report.error ? report.error->message : std::string()));
    REQUIRE(report.end == RunReport::End::kDone);
    REQUIRE(split(text_of(report.outputs.at(0).second)) == values(12000));
  }
}

TEST_CASE("Engine: a session that dies at the same place again and again fails the run") {
  const Graph::Impl graph = graph_of(numbers(100) + chain(""));
  FakeExecutor executor;
  executor.task("tenon.numbers").crashes = {0, 1, 2, 3, 4, 5, 6, 7};
  const RunReport report = run(graph, executor);
  CHECK(report.end == RunReport::End::kFailed);
  REQUIRE(report.error);
  CHECK(report.error->message.find("it died 4 times at the same position") != std::string::npos);
  CHECK(executor.task("tenon.numbers").opened == 4);
}

TEST_CASE("Engine: a source that waits is asked again") {
  const Graph::Impl graph = graph_of(numbers(100) + chain(""));
  FakeExecutor executor;
  executor.task("tenon.numbers").pauses = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
  const RunReport report = run(graph, executor);
  CHECK(stage(report, "sum").grouped == 100);
  // The pauses grow, so that waiting uses little time.
  CHECK(report.seconds > 0.2);
}

}  // namespace tenon::test
