/// Sessions whose workers die at each point of their lives.
#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "engine_fixture.hpp"
#include "fake_executor.hpp"
#include "pipeline/engine.hpp"
#include "pipeline/given_items.hpp"
#include "pipeline/session_losses.hpp"
#include "tenon_test/catch.hpp"

namespace tenon::test {

using internal::GivenItems;
using internal::SessionLosses;

namespace {

BytesView bytes_of(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

/// A death at one point of a session's life, in its own operation or in other work.
struct Death {
  const char* point;
  std::function<void(FakeTask&, int count)> own;
  std::function<void(FakeTask&, int count)> other;
};

std::set<int> from(int first, int count) {
  std::set<int> numbers;
  for (int i = 0; i < count; ++i) {
    numbers.insert(first + i);
  }
  return numbers;
}

std::vector<Death> deaths() {
  std::vector<Death> all = {
      {"opening", [](FakeTask& t, int n) { t.open_crashes = from(0, n); },
       [](FakeTask& t, int n) { t.open_losses = from(0, n); }},
      {"first checkpoint", [](FakeTask& t, int n) { t.checkpoint_crashes = from(0, n); },
       [](FakeTask& t, int n) { t.checkpoint_losses = from(0, n); }},
      {"later checkpoint", [](FakeTask& t, int n) { t.checkpoint_crashes = from(1, n); },
       [](FakeTask& t, int n) { t.checkpoint_losses = from(1, n); }},
      {"opening again", [](FakeTask& t, int n) { t.crashes = {5}, t.open_crashes = from(1, n - 1); },
       [](FakeTask& t, int n) { t.losses = {5}, t.open_losses = from(1, n); }},
  };
  for (const int step : {0, 8}) {
    all.push_back({"step", [step](FakeTask& t, int n) { t.crashes = from(step, n); },
                   [step](FakeTask& t, int n) { t.losses = from(step, n); }});
  }
  return all;
}

const std::vector<std::string> kTasks = {"tenon.numbers", "tenon.sum"};
/// Enough items for a second checkpoint.
constexpr int kCount = 4500;

}  // namespace

TEST_CASE("GivenItems: holds a session that was opened again to what it gave since the checkpoint") {
  GivenItems given;
  for (const char* item : {"a", "b", "c"}) {
    given.gave(bytes_of(item));
  }
  CHECK(given.since_checkpoint() == 3);
  CHECK(given.to_repeat() == 0);
  given.reopened();
  CHECK(given.to_repeat() == 3);
  CHECK(given.repeats(bytes_of("a")));
  // A checkpoint in the middle of the repetition covers the repeated items.
  given.checkpointed();
  CHECK(given.to_repeat() == 2);
  given.reopened();
  CHECK(given.repeats(bytes_of("b")));
  CHECK_FALSE(given.repeats(bytes_of("d")));
}

TEST_CASE("GivenItems: items that differ in one byte, in size or in order are different") {
  std::string item(1000, 'x');
  const auto same = [&](const std::string& other) {
    GivenItems given;
    given.gave(bytes_of(item));
    given.reopened();
    return given.repeats(bytes_of(other));
  };
  CHECK(same(item));
  for (std::size_t at = 0; at < item.size(); ++at) {
    std::string other = item;
    other[at] ^= 1;
    REQUIRE_FALSE(same(other));
  }
  for (std::size_t size = 0; size < item.size(); ++size) {
    REQUIRE_FALSE(same(item.substr(0, size)));
  }
  CHECK_FALSE(same(item + std::string(1, '\0')));
}

TEST_CASE("SessionLosses: own deaths are bounded, others end only what would never end") {
  SessionLosses losses;
  for (std::uint32_t i = 0; i < SessionLosses::kMostOwn; ++i) {
    CHECK(losses.lost(SessionLosses::Cause::kOwn, 0));
  }
  CHECK_FALSE(losses.lost(SessionLosses::Cause::kOwn, 0));
  losses.progressed();
  CHECK(losses.lost(SessionLosses::Cause::kOwn, 0));
  for (std::uint32_t i = 0; i < 5 * SessionLosses::kMostOther; ++i) {
    // The run makes progress elsewhere meanwhile.
    REQUIRE(losses.lost(SessionLosses::Cause::kOther, i));
  }
  std::uint32_t survived = 0;
  while (losses.lost(SessionLosses::Cause::kOther, 0)) {
    ++survived;
  }
  CHECK(survived == SessionLosses::kMostOther);
  CHECK(losses.lost(SessionLosses::Cause::kUnavailable, 0)->count() > 0);
}

TEST_CASE("Engine: a death at each point of a session's life loses and doubles nothing") {
  const Graph::Impl graph = graph_of(numbers(kCount) + chain("order = \"input\""));
  const std::vector<std::string> expected = values(kCount);
  for (const std::string& task : kTasks) {
    for (const Death& death : deaths()) {
      for (const bool along : {false, true}) {
        FakeExecutor executor;
        executor.task("tenon.numbers").step_checkpoints = along;
        death.own(executor.task(task), 3);
        const RunReport report = run(graph, executor);
        INFO(task << " in " << death.point << ": " << (report.error ? report.error->message : std::string()));
        REQUIRE(report.end == RunReport::End::kDone);
        REQUIRE(split(text_of(report.outputs.at(0).second)) == expected);
        check_accounts(graph, report, true);
      }
    }
  }
}

TEST_CASE("Engine: a session that dies at many items, once at each, does not die at the same place") {
  const Graph::Impl graph = graph_of(numbers(kCount) + chain("order = \"input\""));
  for (const std::string& task : kTasks) {
    for (const bool along : {false, true}) {
      FakeExecutor executor;
      executor.task("tenon.numbers").step_checkpoints = along;
      // Far enough from the start that steps are large, and so close to each other that one step
      // contains many.
      for (std::int64_t value = 2000; value < 2100; value += 7) {
        executor.task(task).traps.insert(value);
      }
      const RunReport report = run(graph, executor);
      INFO(task << ": " << (report.error ? report.error->message : std::string()));
      REQUIRE(report.end == RunReport::End::kDone);
      REQUIRE(executor.task(task).traps.empty());
      REQUIRE(split(text_of(report.outputs.at(0).second)) == values(kCount));
      check_accounts(graph, report, true);
    }
  }
}

TEST_CASE("Engine: deaths of a session's worker at something else never count against it") {
  const Graph::Impl graph = graph_of(numbers(kCount) + chain("order = \"input\""));
  for (const std::string& task : kTasks) {
    for (const Death& death : deaths()) {
      FakeExecutor executor;
      death.other(executor.task(task), 20);
      const RunReport report = run(graph, executor);
      INFO(task << " in " << death.point << ": " << (report.error ? report.error->message : std::string()));
      REQUIRE(report.end == RunReport::End::kDone);
      REQUIRE(split(text_of(report.outputs.at(0).second)) == values(kCount));
      check_accounts(graph, report, true);
    }
  }
}

TEST_CASE("Engine: a session that always dies at one point ends the run, and the error names it") {
  const Graph::Impl graph = graph_of(numbers(kCount) + chain("order = \"input\""));
  for (const std::string& task : kTasks) {
    for (const Death& death : deaths()) {
      FakeExecutor executor;
      death.own(executor.task(task), 100);
      const RunReport report = run(graph, executor);
      INFO(task << " in " << death.point);
      REQUIRE(report.end == RunReport::End::kFailed);
      REQUIRE(report.error);
      INFO(report.error->message);
      REQUIRE(report.error->message.find("(" + task + ") failed: the worker died") != std::string::npos);
      REQUIRE(report.error->message.find("it died 4 times at the same position") != std::string::npos);
      check_accounts(graph, report, false);
    }
  }
}

TEST_CASE("Engine: a task without checkpoints survives deaths before its first item, and later ones name the culprit") {
  const Graph::Impl graph = graph_of(numbers(100) + chain(""));
  for (const std::string& task : kTasks) {
    {
      FakeExecutor executor;
      executor.task(task).checkpoints = false;
      executor.task(task).open_crashes = {0, 1};
      executor.task(task).checkpoint_crashes = {0};
      executor.task(task).losses = {0};
      const RunReport report = run(graph, executor);
      INFO(task << " " << (report.error ? report.error->message : std::string()));
      REQUIRE(report.end == RunReport::End::kDone);
      REQUIRE(sorted(split(text_of(report.outputs.at(0).second))) == sorted(values(100)));
    }
    FakeExecutor executor;
    executor.task(task).checkpoints = false;
    executor.task(task).losses = {2};
    const RunReport report = run(graph, executor);
    REQUIRE(report.end == RunReport::End::kFailed);
    CHECK(report.error->message.find("its worker died in another call") != std::string::npos);
    CHECK(report.error->message.find("gives no checkpoint") != std::string::npos);
  }
}

TEST_CASE("Engine: a session whose worker never stays ends the run in the end") {
  const Graph::Impl graph = graph_of(numbers(100) + chain(""));
  FakeExecutor executor;
  executor.task("tenon.numbers").losses = from(0, 5000);
  const RunReport report = run(graph, executor);
  REQUIRE(report.end == RunReport::End::kFailed);
  CHECK(report.error->message.find("workers die as fast as they start") != std::string::npos);
}

TEST_CASE("Engine: a checkpoint that comes along with the results is where a source continues") {
  const Graph::Impl graph = graph_of(numbers(kCount) + chain("order = \"input\""));
  FakeExecutor executor;
  FakeTask& source = executor.task("tenon.numbers");
  source.step_checkpoints = true;
  source.crashes = {4, 9};
  // Acknowledged items are never requested again, so the data may have changed there.
  std::int64_t furthest = -1;
  source.item = [&](std::int64_t number) {
    CHECK(number > furthest);
    furthest = number;
    return "value=" + std::to_string(number) + ";group=g" + std::to_string(number % 3);
  };
  const RunReport report = run(graph, executor);
  REQUIRE(report.end == RunReport::End::kDone);
  CHECK(split(text_of(report.outputs.at(0).second)) == values(kCount));
  CHECK(source.checkpoints_taken == 1);  // Only the first one is requested separately.
}

TEST_CASE("Engine: a source that does not repeat what it gave ends the run, nothing lost or doubled in silence") {
  const Graph::Impl graph = graph_of(numbers(1000) + chain("order = \"input\""));
  FakeExecutor executor;
  FakeTask& source = executor.task("tenon.numbers");
  source.crashes = {4};
  SECTION("an item before others is gone") {
    source.item = [&](std::int64_t number) {
      const std::int64_t shift = source.opened > 1 && number >= 3 ? 1 : 0;
      return "value=" + std::to_string(number + shift) + ";group=g0";
    };
    const RunReport report = run(graph, executor);
    REQUIRE(report.end == RunReport::End::kFailed);
    INFO(report.error->message);
    CHECK(report.error->message.find("source 'numbers' (tenon.numbers) failed: its worker died") != std::string::npos);
    CHECK(report.error->message.find("item 4 of 60 differs from the one it gave before") != std::string::npos);
    check_accounts(graph, report, false);
  }
  SECTION("the same items again") {
    const RunReport report = run(graph, executor);
    REQUIRE(report.end == RunReport::End::kDone);
    CHECK(split(text_of(report.outputs.at(0).second)) == values(1000));
  }
}

TEST_CASE("Engine: a batch is begun again when its worker dies at something else, or while it is opened") {
  const Graph::Impl graph = graph_of(numbers(1000) + R"(
[stages.batch]
kind = "batch"
task = "tenon.sum"
inputs = ["numbers"]
size = 100
workers = 1
[sinks.sum]
task = "tenon.sum"
inputs = ["batch"]
)");
  const auto runs = [&](const std::function<void(FakeTask&)>& disturb) {
    FakeExecutor executor;
    // Both die: the sink's own session is opened first.
    disturb(executor.task("tenon.sum"));
    const RunReport report = run(graph, executor);
    INFO((report.error ? report.error->message : std::string()));
    REQUIRE(report.end == RunReport::End::kDone);
    CHECK(report.failure_count == 0);
    CHECK(stage(report, "batch").grouped == 1000);
    CHECK(stage(report, "batch").items_out == 10);
    check_accounts(graph, report, true);
  };
  runs([](FakeTask& task) { task.open_crashes = {1, 2, 3}; });
  runs([](FakeTask& task) { task.open_losses = from(1, 50); });
  for (int operation = 0; operation < 12; ++operation) {
    runs([&](FakeTask& task) { task.losses = from(operation, 50); });
  }
}

TEST_CASE("Graph: a source and a collecting sink take a timeout for their steps") {
  const Graph::Impl graph = graph_of(numbers(3) + "timeout = \"5s\"\n" + chain("") + "timeout = \"2s\"\n");
  CHECK(graph.nodes.front().timeout == std::chrono::seconds(5));
  CHECK(graph.nodes.back().timeout == std::chrono::seconds(2));
}

TEST_CASE("Engine: a retried item keeps its call and counts its attempts on") {
  const Graph::Impl graph = graph_of(numbers(1) + chain("retry = { attempts = 3, backoff = \"1ms\" }"));
  FakeExecutor executor;
  FakeTask& task = executor.task("tenon.double");
  task.run = [&](const std::string&) -> Result<std::string> {
    ErrorContext context;
    context.call_id = 77;
    return fail(ErrorCode::kFailed, "no", context);
  };
  const RunReport report = run(graph, executor);
  CHECK(report.failure_count == 1);
  using Earlier = std::pair<std::uint32_t, std::uint64_t>;
  CHECK(task.earlier == std::vector<Earlier>{{0, 0}, {1, 77}, {2, 77}});
}

}  // namespace tenon::test
