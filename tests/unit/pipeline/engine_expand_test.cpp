/// Expands with simulated workers: order, room, failures, deaths, stops.
#include "pipeline/engine.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "engine_fixture.hpp"
#include "fake_executor.hpp"
#include "load.hpp"
#include "tenon_test/catch.hpp"

namespace tenon::test {
namespace {

/// Returns a source `numbers`, an expand `split` of it with these keys, and a sink `sum` that
/// collects the results.
std::string split_of(int count, const std::string& keys = {}) {
  return numbers(count) + "[stages.split]\ntask = \"other.split\"\ninputs = [\"numbers\"]\n" + keys +
         "\n[sinks.sum]\ntask = \"tenon.sum\"\ninputs = [\"split\"]\n";
}

std::vector<std::string> parts(int items, int results = 10) {
  std::vector<std::string> all;
  for (int item = 0; item < items; ++item) {
    for (int part = 0; part < results; ++part) {
      all.push_back("value=" + std::to_string(item) + ";part=" + std::to_string(part));
    }
  }
  return all;
}

std::vector<std::string> results_of(const RunReport& report) {
  REQUIRE(report.outputs.size() == 1);
  return split(text_of(report.outputs[0].second));
}

/// Checks that the results of each item are in their order, whatever comes between them.
void check_order_within_items(const std::vector<std::string>& results) {
  std::map<std::string, int> next;
  for (const std::string& result : results) {
    const std::size_t end = result.find(';');
    REQUIRE(std::stoi(result.substr(end + 6)) == next[result.substr(0, end)]++);
  }
}

}  // namespace

TEST_CASE("Engine: an expand gives all results of each item") {
  for (const int count : {0, 1, 500}) {
    const Graph::Impl graph = graph_of(split_of(count));
    FakeExecutor executor;
    const RunReport report = run(graph, executor);
    REQUIRE(report.end == RunReport::End::kDone);
    CHECK(sorted(results_of(report)) == sorted(parts(count)));
    check_order_within_items(results_of(report));
    CHECK(stage(report, "split").kind == "expand");
    CHECK(stage(report, "split").grouped == static_cast<std::uint64_t>(count));
    CHECK(stage(report, "split").items_out == static_cast<std::uint64_t>(count) * 10);
    CHECK(executor.task("other.split").sessions == 0);
    CHECK(executor.task("other.split").most_sessions <= 8);
    check_accounts(graph, report, true);
  }
}

TEST_CASE("Engine: an expand with items of no, one and many results") {
  for (const char* order : {"", "order = \"input\""}) {
    const Graph::Impl graph = graph_of(split_of(200, order));
    FakeExecutor executor;
    executor.task("other.split").results_of = [](std::int64_t value) { return static_cast<int>(value % 50); };
    const RunReport report = run(graph, executor);
    REQUIRE(report.end == RunReport::End::kDone);
    std::vector<std::string> expected;
    for (int item = 0; item < 200; ++item) {
      for (int part = 0; part < item % 50; ++part) {
        expected.push_back("value=" + std::to_string(item) + ";part=" + std::to_string(part));
      }
    }
    CHECK(sorted(results_of(report)) == sorted(expected));
    check_accounts(graph, report, true);
  }
}

TEST_CASE("Engine: with order = \"input\", all results of an item come before those of the next") {
  for (const char* workers : {"1", "2", "7", "\"auto\""}) {
    const Graph::Impl graph = graph_of(split_of(300, "order = \"input\"\nworkers = " + std::string(workers)));
    FakeExecutor executor;
    const RunReport report = run(graph, executor);
    REQUIRE(report.end == RunReport::End::kDone);
    REQUIRE(results_of(report) == parts(300));
    check_accounts(graph, report, true);
  }
}

TEST_CASE("Engine: workers of an expand is the bound of its sessions") {
  const Graph::Impl graph = graph_of(split_of(100, "workers = 3"));
  FakeExecutor executor;
  REQUIRE(run(graph, executor).end == RunReport::End::kDone);
  CHECK(executor.task("other.split").most_sessions == 3);
}

TEST_CASE("Engine: a slow consumer stops the sessions of an expand") {
  for (const char* order : {"", "order = \"input\"\n"}) {
    const Graph::Impl graph = graph_of(numbers(1000) + R"(
[stages.split]
task = "other.split"
inputs = ["numbers"]
queue = { items = 16 }
)" + order + R"([sinks.slow]
task = "tenon.discard"
inputs = ["split"]
workers = 1
queue = { items = 8 }
)");
    FakeExecutor executor;
    executor.task("other.split").results_of = [](std::int64_t) { return 90; };
    executor.task("tenon.discard").least = std::chrono::seconds(1);
    executor.task("tenon.discard").most = std::chrono::seconds(1);
    std::atomic<int> stop{0};
    RunOptions options;
    options.stop = &stop;
    options.control = std::make_shared<RunControl>();
    std::uint64_t most_waiting = 0;
    executor.on_wait = [&] {
      const RunReport now = options.control->report();
      if (now.stages.size() == 3) {
        most_waiting = std::max(most_waiting, now.stages[2].queued);
      }
      stop = executor.waits() > 3000 ? 2 : 0;
    };
    const RunReport report = run(graph, executor, options);
    CHECK(report.end == RunReport::End::kInterrupted);
    CHECK(most_waiting <= 8);
    // The sink's queue, what waits for it and the sessions' first steps: nothing beyond that was
    // asked for.
    const std::vector<std::uint32_t>& asked = executor.task("other.split").asked;
    std::uint64_t results = 0;
    for (const std::uint32_t one : asked) {
      results += one;
    }
    CHECK(results <= stage(report, "slow").items_in + 100);
  }
}

TEST_CASE("Engine: a slow consumer of large results stops an expand by their bytes") {
  for (const char* order : {"", "order = \"input\"\n"}) {
    const Graph::Impl graph = graph_of(numbers(1000) + R"(
[stages.split]
task = "other.split"
inputs = ["numbers"]
queue = { items = 1024, bytes = "64KiB" }
)" + order + R"([sinks.slow]
task = "tenon.discard"
inputs = ["split"]
workers = 1
queue = { items = 1024, bytes = "64KiB" }
)");
    FakeExecutor executor;
    FakeTask& task = executor.task("other.split");
    task.results_of = [](std::int64_t) { return 90; };
    task.item = [](std::int64_t) { return std::string(16 * 1024, 'x'); };
    executor.task("tenon.discard").least = std::chrono::seconds(1);
    executor.task("tenon.discard").most = std::chrono::seconds(1);
    std::atomic<int> stop{0};
    RunOptions options;
    options.stop = &stop;
    executor.on_wait = [&] { stop = executor.waits() > 3000 ? 2 : 0; };
    const RunReport report = run(graph, executor, options);
    CHECK(report.end == RunReport::End::kInterrupted);
    std::uint64_t results = 0;
    for (const std::uint32_t one : task.asked) {
      results += one;
    }
    // The first steps of eight sessions, whose size is not known yet, and two queues.
    CHECK(results <= stage(report, "slow").items_in + 60);
  }
}

TEST_CASE("Engine: sessions that wait for their turn in the order pause with bounded results") {
  // The first item never ends, so nothing else may pass.
  const Graph::Impl graph = graph_of(split_of(1000, "order = \"input\"\nworkers = 4\nqueue = { items = 16 }"));
  FakeExecutor executor;
  FakeTask& task = executor.task("other.split");
  task.results_of = [](std::int64_t) { return 60; };
  std::set<int> pauses;
  for (int i = 0; i < 4; ++i) {
    pauses.insert(i);
  }
  task.pauses = pauses;
  std::atomic<int> stop{0};
  RunOptions options;
  options.stop = &stop;
  executor.on_wait = [&] { stop = executor.waits() > 2000 ? 2 : 0; };
  const RunReport report = run(graph, executor, options);
  // Every item gets through in the end, and in order.
  if (report.end == RunReport::End::kDone) {
    CHECK(results_of(report) == parts(1000, 60));
  }
  CHECK(task.most_sessions <= 4);
}

TEST_CASE("Engine: an item whose session fails is a failure that names how much it gave") {
  const Graph::Impl graph = graph_of(split_of(100, "order = \"input\""));
  FakeExecutor executor;
  // Slow results, so that steps stay small.
  executor.task("other.split").per_item = std::chrono::milliseconds(1);
  executor.task("other.split").broken = {3 * 100 + 0, 7 * 100 + 5, 9 * 100 + 9};
  const RunReport report = run(graph, executor);
  REQUIRE(report.end == RunReport::End::kDone);
  CHECK(report.failure_count == 3);
  REQUIRE(report.failures.size() == 3);
  std::vector<std::string> texts;
  for (const ItemFailure& failure : report.failures) {
    CHECK(failure.stage == "split");
    texts.push_back(failure.item + ": " + failure.error.message);
  }
  std::sort(texts.begin(), texts.end());
  CHECK(texts[0] == "item 3: the disk is full");
  CHECK(texts[1].starts_with("item 7: the disk is full"));
  CHECK(texts[2].starts_with("item 9: the disk is full; its first "));
  CHECK(texts[2].ends_with(" results had been passed on before"));
  CHECK(stage(report, "split").failed == 3);
  CHECK(stage(report, "split").grouped == 97);
  // What had been given before the failure is passed on, in order and once.
  const std::vector<std::string> results = results_of(report);
  CHECK(stage(report, "split").items_out == results.size());
  check_order_within_items(results);
  std::vector<int> items;
  for (const std::string& result : results) {
    items.push_back(std::stoi(result.substr(6)));
  }
  CHECK(std::is_sorted(items.begin(), items.end()));
  check_accounts(graph, report, true);
}

TEST_CASE("Engine: retry repeats the session of an item from its checkpoint, and gives each result once") {
  for (const bool along : {false, true}) {
    const Graph::Impl graph = graph_of(split_of(50, "order = \"input\"\nretry = { attempts = 3, backoff = \"10ms\" }"));
    FakeExecutor executor;
    FakeTask& task = executor.task("other.split");
    task.step_checkpoints = along;
    task.failures = {2, 9, 10, 30};
    const RunReport report = run(graph, executor);
    INFO((report.failures.empty() ? std::string() : report.failures[0].error.message));
    REQUIRE(report.end == RunReport::End::kDone);
    CHECK(report.failure_count == 0);
    CHECK(results_of(report) == parts(50));
    CHECK(stage(report, "split").retried == 4);
    check_accounts(graph, report, true);
  }
}

TEST_CASE("Engine: attempts of an expanded item are bounded") {
  const Graph::Impl graph = graph_of(split_of(1, "retry = { attempts = 3, backoff = \"10ms\" }"));
  FakeExecutor executor;
  executor.task("other.split").broken = {0};
  const RunReport report = run(graph, executor);
  CHECK(report.failure_count == 1);
  CHECK(executor.task("other.split").opened == 3);
  CHECK(stage(report, "split").retried == 2);
}

TEST_CASE("Engine: a death at each point of an expanded item's session loses and doubles nothing") {
  struct Death {
    const char* point;
    std::function<void(FakeTask&)> disturb;
  };
  std::vector<Death> deaths = {
      {"opening",
       [](FakeTask& t) {
         t.open_crashes = {0, 1, 2};
       }},
      {"opening, in other work", [](FakeTask& t) { t.open_losses = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}; }},
      {"first checkpoint",
       [](FakeTask& t) {
         t.checkpoint_crashes = {0, 1, 2};
       }},
      {"opening again",
       [](FakeTask& t) {
         t.crashes = {5}, t.open_crashes = {6, 7};
       }},
  };
  for (int step = 0; step < 30; ++step) {
    deaths.push_back({"step", [step](FakeTask& t) { t.crashes = {step, step + 1, step + 2}; }});
    deaths.push_back({"step, in other work", [step](FakeTask& t) {
                        for (int i = 0; i < 20; ++i) {
                          t.losses.insert(step + i);
                        }
                      }});
  }
  for (int position = 200; position < 230; position += 3) {
    deaths.push_back({"position", [position](FakeTask& t) { t.traps = {position, position + 1, position + 107}; }});
  }
  for (const char* workers : {"1", "4"}) {
    const Graph::Impl graph = graph_of(split_of(10, "order = \"input\"\nworkers = " + std::string(workers)));
    for (const Death& death : deaths) {
      for (const bool along : {false, true}) {
        FakeExecutor executor;
        FakeTask& task = executor.task("other.split");
        task.results_of = [](std::int64_t) { return 30; };
        task.step_checkpoints = along;
        death.disturb(task);
        const RunReport report = run(graph, executor);
        INFO(death.point << ": " << (report.failures.empty() ? std::string() : report.failures[0].error.message));
        REQUIRE(report.end == RunReport::End::kDone);
        REQUIRE(report.failure_count == 0);
        REQUIRE(results_of(report) == parts(10, 30));
        check_accounts(graph, report, true);
      }
    }
  }
}

TEST_CASE("Engine: an item whose session always dies fails by itself") {
  const Graph::Impl graph = graph_of(split_of(20, "order = \"input\"\nworkers = 1"));
  FakeExecutor executor;
  FakeTask& task = executor.task("other.split");
  task.crashes = {0, 1, 2, 3};
  const RunReport report = run(graph, executor);
  REQUIRE(report.end == RunReport::End::kDone);
  REQUIRE(report.failures.size() == 1);
  CHECK(report.failures[0].item == "item 0");
  CHECK(report.failures[0].error.code == ErrorCode::kCrashed);
  CHECK(report.failures[0].error.message == "the worker died with signal 11; it died 4 times at the same position");
  std::vector<std::string> expected = parts(20);
  expected.erase(expected.begin(), expected.begin() + 10);
  CHECK(results_of(report) == expected);
}

TEST_CASE("Engine: without checkpoints, a death costs the item only if it has given a result") {
  const Graph::Impl graph = graph_of(split_of(3, "order = \"input\"\nworkers = 1"));
  FakeExecutor executor;
  FakeTask& task = executor.task("other.split");
  task.checkpoints = false;
  SECTION("before its first result") {
    task.crashes = {0};
    const RunReport report = run(graph, executor);
    CHECK(report.failure_count == 0);
    CHECK(results_of(report) == parts(3));
  }
  SECTION("after it") {
    task.crashes = {1};
    const RunReport report = run(graph, executor);
    REQUIRE(report.failures.size() == 1);
    CHECK(report.failures[0].error.message ==
          "the worker died with signal 11; the task gives no checkpoint to continue from; its first 4 results had been "
          "passed on before");
    CHECK(results_of(report).size() == 24);
  }
  // Only the first session asks whether there are checkpoints.
  CHECK(task.checkpoints_taken <= 2);
}

TEST_CASE("Engine: a checkpoint that fails costs no later item of an expand its recovery") {
  const Graph::Impl graph = graph_of(split_of(30, "order = \"input\"\nworkers = 1"));
  for (const int failing : {0, 1, 2}) {
    FakeExecutor executor;
    FakeTask& task = executor.task("other.split");
    task.checkpoint_failures = {failing};
    task.crashes = {20, 31, 45};
    const RunReport report = run(graph, executor);
    CHECK(report.failure_count == 0);
    CHECK(results_of(report) == parts(30));
  }
}

TEST_CASE("Engine: a death counts only in its own attempt of an expanded item") {
  const Graph::Impl graph = graph_of(split_of(1, "workers = 1\nretry = { attempts = 3 }"));
  FakeExecutor executor;
  FakeTask& task = executor.task("other.split");
  // Three deaths at the start, then an error, then three more: four in a row would be too many.
  task.crashes = {0, 1, 2, 4, 5, 6};
  task.failures = {3};
  const RunReport report = run(graph, executor);
  CHECK(report.failure_count == 0);
  CHECK(sorted(results_of(report)) == sorted(parts(1)));
}

TEST_CASE("Engine: results that a session does not repeat fail the item, nothing doubled in silence") {
  const Graph::Impl graph = graph_of(split_of(3, "order = \"input\"\nworkers = 1"));
  FakeExecutor executor;
  FakeTask& task = executor.task("other.split");
  task.crashes = {1};
  task.item = [&](std::int64_t position) {
    return "value=" + std::to_string(position) + (task.opened > 1 && position == 2 ? ";changed" : ";same");
  };
  const RunReport report = run(graph, executor);
  REQUIRE(report.end == RunReport::End::kDone);
  REQUIRE(report.failures.size() == 1);
  CHECK(report.failures[0].error.message ==
        "the task did not repeat its earlier results when its session was opened again: result 3 of 4 differs from the "
        "one it gave before. The data that the task reads has changed, so results would be lost or duplicated; its "
        "first 4 results had been passed on before");
  CHECK(results_of(report).size() == 24);
}

TEST_CASE("Engine: a task that has nothing to give yet is asked again, and others continue meanwhile") {
  const Graph::Impl graph = graph_of(split_of(20, "workers = 2"));
  FakeExecutor executor;
  executor.task("other.split").pauses = {0, 1, 2, 3, 8};
  const RunReport report = run(graph, executor);
  CHECK(report.end == RunReport::End::kDone);
  CHECK(sorted(results_of(report)) == sorted(parts(20)));
}

TEST_CASE("Engine: stop = 1 finishes the items of an expand that the sources have given") {
  const Graph::Impl graph = graph_of(split_of(1000000, "order = \"input\""));
  std::atomic<int> stop{0};
  FakeExecutor executor;
  RunOptions options;
  options.stop = &stop;
  executor.on_wait = [&] { stop = executor.waits() > 500 ? 1 : 0; };
  const RunReport report = run(graph, executor, options);
  CHECK(report.end == RunReport::End::kInterrupted);
  CHECK(report.failure_count == 0);
  const StageReport& expand = stage(report, "split");
  CHECK(expand.grouped == stage(report, "numbers").items_out);
  CHECK(expand.items_out == expand.grouped * 10);
  // The sum is over a part of the stream.
  CHECK(report.outputs.empty());
  CHECK_FALSE(stage(report, "sum").note.empty());
  check_accounts(graph, report, true);
}

TEST_CASE("Engine: stop = 1 ends a session of an expand whose task only waits for more") {
  for (const char* order : {"", "order = \"input\""}) {
    const Graph::Impl graph = graph_of(split_of(4, order));
    std::atomic<int> stop{0};
    FakeExecutor executor;
    FakeTask& task = executor.task("other.split");
    for (int step = 4; step < 100000; ++step) {
      task.pauses.insert(step);
    }
    RunOptions options;
    options.stop = &stop;
    executor.on_wait = [&] { stop = executor.waits() > 200 ? 1 : 0; };
    const RunReport report = run(graph, executor, options);
    CHECK(report.end == RunReport::End::kInterrupted);
    CHECK(executor.waits() < 300);
    CHECK(report.failure_count == 0);
    CHECK(stage(report, "split").dropped > 0);
    // The sum is over a part of the stream.
    CHECK(report.outputs.empty());
    check_accounts(graph, report, true);
  }
}

TEST_CASE("Engine: stop = 2 cancels the sessions of an expand") {
  const Graph::Impl graph = graph_of(split_of(1000000, "workers = 5"));
  std::atomic<int> stop{0};
  FakeExecutor executor;
  executor.task("other.split").least = std::chrono::hours(10);
  executor.task("other.split").most = std::chrono::hours(20);
  RunOptions options;
  options.stop = &stop;
  executor.on_wait = [&] { stop = executor.waits() > 10 ? 2 : 0; };
  const RunReport report = run(graph, executor, options);
  CHECK(report.end == RunReport::End::kInterrupted);
  CHECK(report.seconds < 3600);
  CHECK(executor.task("other.split").running == 0);
  CHECK(executor.task("other.split").sessions == 0);
  CHECK(stage(report, "split").in_flight == 5);
  check_accounts(graph, report, false);
}

TEST_CASE("Engine: a paused run begins no step of an expand, and ends whole after it") {
  const Graph::Impl graph = graph_of(split_of(200, "order = \"input\""));
  FakeExecutor executor;
  executor.task("other.split").crashes = {3, 60};
  RunOptions options;
  options.control = std::make_shared<RunControl>();
  executor.on_wait = [&] { executor.waits() % 5 == 0 ? options.control->pause() : options.control->resume(); };
  const RunReport report = run(graph, executor, options);
  REQUIRE(report.end == RunReport::End::kDone);
  CHECK(results_of(report) == parts(200));
}

TEST_CASE("Engine: a run in which every item of an expand fails is given up") {
  const Graph::Impl graph = graph_of(split_of(1000) + "[pipeline]\ngive_up_after = 20\n");
  FakeExecutor executor;
  for (std::int64_t item = 0; item < 1000; ++item) {
    executor.task("other.split").broken.insert(item * 100);
  }
  const RunReport report = run(graph, executor);
  CHECK(report.end == RunReport::End::kFailed);
  REQUIRE(report.error);
  CHECK(report.error->message.starts_with("stage 'split': the first "));
}

TEST_CASE("Graph: a stage is an expand if its task gives several results, with or without its kind") {
  for (const char* kind : {"", "kind = \"expand\"\n"}) {
    const Graph::Impl graph = graph_of(split_of(3, std::string(kind) + "timeout = \"2s\""));
    CHECK(graph.nodes[1].kind == internal::NodeKind::kExpand);
    CHECK(graph.nodes[1].timeout == std::chrono::seconds(2));
  }
}

}  // namespace tenon::test
