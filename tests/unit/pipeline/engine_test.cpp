#include "pipeline/engine.hpp"

#include <algorithm>
#include <atomic>
#include <random>
#include <string>
#include <vector>

#include "fake_executor.hpp"
#include "load.hpp"
#include "tenon_test/catch.hpp"

namespace tenon::test {
namespace {

Graph::Impl graph_of(const std::string& text) {
  Loaded loaded = load(text);
  INFO(loaded.messages);
  REQUIRE(loaded.graph.has_value());
  return std::move(*loaded.graph);
}

std::string numbers(int count) {
  return "[sources.numbers]\ntask = \"tenon.numbers\"\nargs = { count = " + std::to_string(count) + " }\n";
}

RunReport run(const Graph::Impl& graph, FakeExecutor& executor, const RunOptions& options = {}) {
  return internal::Engine(graph, executor, options).run();
}

const StageReport& stage(const RunReport& report, const std::string& name) {
  const auto found = std::find_if(report.stages.begin(), report.stages.end(),
                                  [&](const StageReport& one) { return one.name == name; });
  REQUIRE(found != report.stages.end());
  return *found;
}

/// Every item is somewhere, and what one gives is what the others get.
void check_accounts(const Graph::Impl& graph, const RunReport& report, bool ended) {
  for (std::size_t i = 0; i < report.stages.size(); ++i) {
    const StageReport& one = report.stages[i];
    INFO(one.name);
    if (one.kind != "source") {
      const bool groups = graph.nodes[i].collects;
      CHECK(one.items_in ==
            (groups ? one.grouped : one.items_out) + one.failed + one.dropped + one.in_flight + one.queued);
    }
    if (ended) {
      CHECK(one.in_flight == 0);
      CHECK(one.queued == 0);
      CHECK(one.ended);
    }
    if (graph.nodes[i].kind != internal::NodeKind::kRoute && graph.nodes[i].kind != internal::NodeKind::kSource) {
      std::uint64_t given = 0;
      bool exact = true;
      for (const std::uint32_t edge : graph.nodes[i].inputs) {
        const std::uint32_t from = graph.edges[edge].from;
        exact = exact && graph.nodes[from].kind != internal::NodeKind::kRoute;
        given += report.stages[from].items_out;
      }
      if (exact) {
        CHECK(one.items_in == given);
      }
    }
  }
}

/// The values 0 to count - 1 as the source writes them.
std::vector<std::string> values(int count) {
  std::vector<std::string> out;
  for (int i = 0; i < count; ++i) {
    out.push_back("value=" + std::to_string(i) + ";group=g" + std::to_string(i % 3));
  }
  return out;
}

std::vector<std::string> split(const std::string& joined) {
  std::vector<std::string> out;
  for (std::size_t at = 0; at < joined.size();) {
    const std::size_t end = joined.find('|', at);
    out.push_back(joined.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

std::vector<std::string> sorted(std::vector<std::string> texts) {
  std::sort(texts.begin(), texts.end());
  return texts;
}

const std::string kChain = R"(
[stages.double]
task = "tenon.double"
inputs = ["numbers"]
ORDER
[sinks.sum]
task = "tenon.sum"
inputs = ["double"]
)";

std::string chain(const std::string& options) {
  std::string text = kChain;
  return text.replace(text.find("ORDER"), 5, options);
}

}  // namespace

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
  // Three keys, so three calls at a time at most.
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
  // Two queues of 16, two workers with their results, one call in the sink with the one behind it.
  CHECK(most_waiting <= 16 + 16 + 4 + 2);
  // 20 s of simulated time.
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
  // Two items at a time, with long pauses between.
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
  executor.task("tenon.sum").failures = {2};  // The second batch's feed.
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
  // 200 + 400 + 500 ms of waiting.
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
    CHECK(report.error->message ==
          "sink 'sum' (tenon.sum) failed: the worker died with signal 11; the task gives no checkpoint to go on from");
  }
}

TEST_CASE("Engine: a session whose worker dies goes on from its checkpoint, nothing lost or doubled") {
  const Graph::Impl graph = graph_of(numbers(20000) + chain("order = \"input\""));
  FakeExecutor executor;
  executor.task("tenon.numbers").crashes = {0, 3, 40, 41, 42, 70};
  executor.task("tenon.sum").crashes = {0, 5, 30, 31, 80};
  const RunReport report = run(graph, executor);
  INFO((report.error ? report.error->message : std::string()));
  REQUIRE(report.end == RunReport::End::kDone);
  CHECK(split(text_of(report.outputs.at(0).second)) == values(20000));
  CHECK(stage(report, "numbers").retried == 6);
  CHECK(stage(report, "sum").retried == 5);
  check_accounts(graph, report, true);
}

TEST_CASE("Engine: a session that dies at the same place again and again fails the run") {
  const Graph::Impl graph = graph_of(numbers(100) + chain(""));
  FakeExecutor executor;
  executor.task("tenon.numbers").crashes = {0, 1, 2, 3, 4, 5, 6, 7};
  const RunReport report = run(graph, executor);
  CHECK(report.end == RunReport::End::kFailed);
  REQUIRE(report.error);
  CHECK(report.error->message.find("it died 4 times at the same place") != std::string::npos);
  CHECK(executor.task("tenon.numbers").opened == 4);
}

TEST_CASE("Engine: a source that waits is asked again") {
  const Graph::Impl graph = graph_of(numbers(100) + chain(""));
  FakeExecutor executor;
  executor.task("tenon.numbers").pauses = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
  const RunReport report = run(graph, executor);
  CHECK(stage(report, "sum").grouped == 100);
  // The pauses grow, so that waiting costs little.
  CHECK(report.seconds > 0.2);
}

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
  executor.on_wait = [&] { stop = executor.waits() > 2000 ? 1 : 0; };
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

namespace {

/// A graph of random shape: every output is taken by something later.
std::string random_pipeline(std::mt19937& random) {
  const auto draw = [&](int least, int most) { return std::uniform_int_distribution<int>(least, most)(random); };
  std::string text = "[pipeline]\nqueue = { items = " + std::to_string(draw(1, 40)) + " }\n";
  std::vector<std::string> open;
  std::vector<std::string> all;
  const auto input = [&] {
    std::string names;
    std::vector<std::string> taken;
    const int inputs = draw(1, 3);
    for (int i = 0; i < inputs; ++i) {
      std::string name;
      if (!open.empty() && draw(0, 3) > 0) {
        name = open[static_cast<std::size_t>(draw(0, static_cast<int>(open.size()) - 1))];
      } else {
        name = all[static_cast<std::size_t>(draw(0, static_cast<int>(all.size()) - 1))];
      }
      if (std::find(taken.begin(), taken.end(), name) == taken.end()) {
        taken.push_back(name);
        open.erase(std::remove(open.begin(), open.end(), name), open.end());
        names += (names.empty() ? "\"" : ", \"") + name + "\"";
      }
    }
    return "inputs = [" + names + "]\n";
  };
  const auto give = [&](const std::string& name) {
    open.push_back(name);
    all.push_back(name);
  };
  const int sources = draw(1, 3);
  for (int i = 0; i < sources; ++i) {
    const std::string name = "source" + std::to_string(i);
    text +=
        "[sources." + name + "]\ntask = \"tenon.numbers\"\nargs = { count = " + std::to_string(draw(0, 600)) + " }\n";
    give(name);
  }
  const int stages = draw(0, 8);
  for (int i = 0; i < stages; ++i) {
    const std::string name = "stage" + std::to_string(i);
    const int kind = draw(0, 9);
    text += "[stages." + name + "]\n" + input();
    if (kind < 6) {
      text += "task = \"tenon.double\"\n";
      text += draw(0, 1) == 0 ? "" : "workers = " + std::to_string(draw(1, 9)) + "\n";
      const int order = draw(0, 2);
      text += order == 0 ? "" : order == 1 ? "order = \"input\"\n" : "order = \"key:group\"\n";
      text += draw(0, 1) == 0 ? "" : "retry = { attempts = 2, backoff = \"1ms\" }\n";
      give(name);
    } else if (kind < 8) {
      text += "kind = \"route\"\nfield = \"group\"\ncases = { a = [\"g0\"], b = [\"g1\"] }\n";
      give(name + ".a");
      give(name + ".b");
      give(name + ".else");
    } else {
      text += "task = \"tenon.sum\"\n";
      text += kind == 8 ? "kind = \"batch\"\nsize = " + std::to_string(draw(1, 50)) + "\nmax_wait = \"1ms\"\n"
                        : std::string("kind = \"reduce\"\n");
      give(name);
    }
  }
  int sinks = 0;
  while (!open.empty()) {
    const std::string name = open.back();
    open.pop_back();
    text += "[sinks.sink" + std::to_string(sinks++) + "]\ninputs = [\"" + name + "\"]\ntask = \"" +
            (draw(0, 1) == 0 ? "tenon.sum" : "tenon.discard") + "\"\n";
  }
  return text;
}

}  // namespace

TEST_CASE("Engine: random graphs with failures account for every item") {
  for (std::uint32_t seed = 1; seed <= 150; ++seed) {
    std::mt19937 random(seed);
    const std::string text = random_pipeline(random);
    INFO("seed " << seed << "\n" << text);
    const Graph::Impl graph = graph_of(text);
    FakeExecutor executor(seed, 1 + seed % 5);
    std::mt19937 chance(seed + 1000);
    executor.task("tenon.double").run = [&](const std::string& argument) -> Result<std::string> {
      if (chance() % 20 == 0) {
        return fail(chance() % 2 == 0 ? ErrorCode::kFailed : ErrorCode::kInvalidArgument, "by chance");
      }
      return argument;
    };
    if (seed % 3 == 0) {
      executor.task("tenon.numbers").crashes = {1, 4};
      executor.task("tenon.sum").crashes = {2, 9};
    }
    std::atomic<int> stop{0};
    RunOptions options;
    options.stop = &stop;
    if (seed % 5 == 0) {
      executor.on_wait = [&] { stop = executor.waits() > 40 ? (seed % 2 == 0 ? 1 : 2) : 0; };
    }
    const RunReport report = run(graph, executor, options);
    REQUIRE(report.end != RunReport::End::kFailed);
    check_accounts(graph, report, stop < 2);
    std::uint64_t failed = 0;
    for (const StageReport& one : report.stages) {
      failed += one.kind == "batch" ? 0 : one.failed;
    }
    CHECK(report.failure_count >= failed);
  }
}

}  // namespace tenon::test
