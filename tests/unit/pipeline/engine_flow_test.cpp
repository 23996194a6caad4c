#include "pipeline/engine.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "engine_fixture.hpp"
#include "fake_executor.hpp"
#include "tenon_test/catch.hpp"

namespace tenon::test {

TEST_CASE("Engine: every item goes through a chain once") {
  for (const int count : {0, 1, 2, 1000, 5000}) {
    const Graph::Impl graph = graph_of(numbers(count) + chain(""));
    FakeExecutor executor;
    const RunReport report = run(graph, executor);
    REQUIRE(report.end == RunReport::End::kDone);
    CHECK_FALSE(report.error);
    REQUIRE(report.outputs.size() == 1);
    CHECK(report.outputs[0].first == "sum");
    CHECK(sorted(split(text_of(report.outputs[0].second))) == sorted(values(count)));
    CHECK(stage(report, "numbers").items_out == static_cast<std::uint64_t>(count));
    CHECK(stage(report, "numbers").expected_items == static_cast<std::uint64_t>(count));
    CHECK(stage(report, "sum").grouped == static_cast<std::uint64_t>(count));
    check_accounts(graph, report, true);
  }
}

TEST_CASE("Engine: order = input gives results on as the items came") {
  const Graph::Impl graph = graph_of(numbers(3000) + chain("order = \"input\""));
  FakeExecutor executor(7);
  executor.task("tenon.double").most = std::chrono::milliseconds(20);
  const RunReport report = run(graph, executor);
  CHECK(split(text_of(report.outputs.at(0).second)) == values(3000));
  check_accounts(graph, report, true);
}

TEST_CASE("Engine: order = input goes on past a failed item") {
  const Graph::Impl graph = graph_of(numbers(100) + chain("order = \"input\""));
  FakeExecutor executor;
  executor.task("tenon.double").run = [](const std::string& text) -> Result<std::string> {
    if (text.starts_with("value=50;")) {
      return fail(ErrorCode::kFailed, "fifty");
    }
    return text;
  };
  const RunReport report = run(graph, executor);
  std::vector<std::string> expected = values(100);
  expected.erase(expected.begin() + 50);
  CHECK(split(text_of(report.outputs.at(0).second)) == expected);
  REQUIRE(report.failures.size() == 1);
  CHECK(report.failures[0].stage == "double");
  CHECK(report.failures[0].item == "item 50");
  CHECK(report.failures[0].error.message == "fifty");
  check_accounts(graph, report, true);
}

TEST_CASE("Engine: order = key runs items of one key one after another") {
  const Graph::Impl graph = graph_of(numbers(900) + chain("order = \"key:group\""));
  FakeExecutor executor(3);
  const RunReport report = run(graph, executor);
  // There are three keys, so at most three calls run at a time.
  CHECK(executor.task("tenon.double").most_running == 3);
  const std::vector<std::string> results = split(text_of(report.outputs.at(0).second));
  REQUIRE(results.size() == 900);
  std::map<std::string, int> last;
  for (const std::string& result : results) {
    const int value = std::stoi(result.substr(6));
    const std::string group = result.substr(result.find("group="));
    CHECK((last.count(group) == 0 || last[group] < value));
    last[group] = value;
  }
  check_accounts(graph, report, true);
}

TEST_CASE("Engine: workers bounds the calls under way") {
  for (const unsigned workers : {1U, 3U}) {
    const Graph::Impl graph = graph_of(numbers(200) + chain("workers = " + std::to_string(workers)));
    FakeExecutor executor(5, 8);
    const RunReport report = run(graph, executor);
    CHECK(report.end == RunReport::End::kDone);
    CHECK(executor.task("tenon.double").most_running == workers);
  }
}

TEST_CASE("Engine: a slow sink holds the source back") {
  const Graph::Impl graph = graph_of("[pipeline]\nqueue = { items = 16 }\n" + numbers(2000) + R"(
[stages.double]
task = "tenon.double"
inputs = ["numbers"]
workers = 2
[sinks.slow]
task = "tenon.discard"
inputs = ["double"]
workers = 1
)");
  FakeExecutor executor(9, 4);
  executor.task("tenon.discard").least = std::chrono::milliseconds(10);
  executor.task("tenon.discard").most = std::chrono::milliseconds(10);
  RunOptions options;
  std::uint64_t progress_calls = 0;
  std::uint64_t most_waiting = 0;
  options.on_progress = [&](const RunReport& report) {
    ++progress_calls;
    for (const StageReport& one : report.stages) {
      CHECK(one.queued <= 16);
    }
    most_waiting = std::max(most_waiting, stage(report, "numbers").items_out - stage(report, "slow").items_out);
    check_accounts(graph, report, false);
  };
  const RunReport report = run(graph, executor, options);
  CHECK(report.end == RunReport::End::kDone);
  CHECK(stage(report, "slow").items_out == 2000);
  // Two queues of 16, two workers with their results, and in the sink one call and the next one.
  CHECK(most_waiting <= 16 + 16 + 4 + 2);
  // This is 20 s of simulated time.
  CHECK(progress_calls >= 150);
  CHECK(progress_calls <= 210);
}

TEST_CASE("Engine: a queue is bounded by bytes too, and a larger item goes alone") {
  const Graph::Impl graph = graph_of("[pipeline]\nqueue = { bytes = \"1B\" }\n" + numbers(50) + chain(""));
  FakeExecutor executor;
  RunOptions options;
  const RunReport report = run(graph, executor, options);
  CHECK(stage(report, "sum").grouped == 50);
  CHECK(executor.task("tenon.double").most_running == 1);
  check_accounts(graph, report, true);
}

TEST_CASE("Engine: fan-out gives every consumer every item, fan-in collects them") {
  const Graph::Impl graph = graph_of(numbers(300) + R"(
[stages.left]
task = "tenon.double"
inputs = ["numbers"]
[stages.right]
task = "tenon.echo"
inputs = ["numbers"]
[sinks.sum]
task = "tenon.sum"
inputs = ["left", "right", "numbers"]
)");
  FakeExecutor executor;
  const RunReport report = run(graph, executor);
  CHECK(stage(report, "sum").grouped == 900);
  std::vector<std::string> expected;
  for (const std::string& value : values(300)) {
    expected.insert(expected.end(), 3, value);
  }
  CHECK(sorted(split(text_of(report.outputs.at(0).second))) == sorted(expected));
  check_accounts(graph, report, true);
}

TEST_CASE("Engine: fan-out shares the bytes") {
  const Graph::Impl graph = graph_of(numbers(1) + R"(
[sinks.a]
task = "tenon.sum"
inputs = ["numbers"]
[sinks.b]
task = "tenon.discard"
inputs = ["numbers"]
)");
  FakeExecutor executor;
  const RunReport report = run(graph, executor);
  CHECK(stage(report, "a").grouped == 1);
  CHECK(stage(report, "b").items_out == 1);
}

TEST_CASE("Engine: a route gives each item to its case, the others to else") {
  const std::string route = R"(
[stages.by]
kind = "route"
inputs = ["numbers"]
field = "group"
cases = { first = ["g0"], both = ["g1", "none"] }
[sinks.first]
task = "tenon.sum"
inputs = ["by.first"]
[sinks.both]
task = "tenon.sum"
inputs = ["by.both"]
)";
  SECTION("else connected") {
    const Graph::Impl graph =
        graph_of(numbers(100) + route + "[sinks.rest]\ntask = \"tenon.discard\"\ninputs = [\"by.else\"]\n");
    FakeExecutor executor;
    const RunReport report = run(graph, executor);
    CHECK(stage(report, "first").grouped == 34);
    CHECK(stage(report, "both").grouped == 33);
    CHECK(stage(report, "rest").items_out == 33);
    CHECK(stage(report, "by").items_out == 100);
    check_accounts(graph, report, true);
  }
  SECTION("else dropped") {
    std::string dropped = route;
    dropped.replace(dropped.find("field ="), 0, "else = \"drop\"\n");
    const Graph::Impl graph = graph_of(numbers(100) + dropped);
    FakeExecutor executor;
    const RunReport report = run(graph, executor);
    CHECK(stage(report, "by").dropped == 33);
    CHECK(stage(report, "by").items_out == 67);
    check_accounts(graph, report, true);
  }
}

TEST_CASE("Engine: an item that does not verify fails at the route") {
  const Graph::Impl graph = graph_of(numbers(10) + R"(
[stages.double]
task = "tenon.double"
inputs = ["numbers"]
[stages.by]
kind = "route"
inputs = ["double"]
field = "group"
else = "drop"
cases = { first = "g0" }
[sinks.first]
task = "tenon.sum"
inputs = ["by.first"]
)");
  FakeExecutor executor;
  executor.task("tenon.double").run = [](const std::string& text) -> Result<std::string> {
    return text.starts_with("value=3;") ? "corrupt" : text;
  };
  const RunReport report = run(graph, executor);
  CHECK(stage(report, "by").failed == 1);
  REQUIRE(report.failures.size() == 1);
  CHECK(report.failures[0].error.code == ErrorCode::kCorrupt);
  CHECK(report.failures[0].item == "item 3");
  check_accounts(graph, report, true);
}

TEST_CASE("Engine: items are named by path, origin and number where they have them") {
  const Graph::Impl graph = graph_of(R"(
[sources.walk]
task = "files.walk"
args = { root = "/" }
[stages.lines]
task = "text.lines"
inputs = ["walk"]
[stages.grep]
task = "text.grep"
params = { pattern = "x" }
inputs = ["lines"]
[sinks.out]
task = "tenon.discard"
inputs = ["grep"]
)");
  REQUIRE(graph.nodes[1].identity_name);
  CHECK(graph.nodes[1].identity_name(make_reply("path=/a b").bytes()).value() == "/a b");
  REQUIRE(graph.nodes[2].identity_name);
  REQUIRE(graph.nodes[2].identity_number);
  CHECK(graph.nodes[2].identity_number(make_reply("origin=f;number=3").bytes()).value() == "3");
}

}  // namespace tenon::test
