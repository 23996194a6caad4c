// Whole pipelines from TOML with worker processes.
#include <csignal>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <fstream>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <tenon/types_generated.h>
#include <tenon/pipeline.hpp>

#include "tenon_test/catch.hpp"
#include "tenon_test/runtime.hpp"
#include "tenon_test/temporary_directory.hpp"

namespace tenon::test {
namespace {

Runtime start(unsigned workers) {
  Result<Runtime> runtime = Runtime::start(runtime_options(workers));
  INFO((runtime ? std::string() : runtime.error().to_string()));
  REQUIRE(runtime);
  return std::move(*runtime);
}

Graph parse(const Runtime& runtime, const std::string& text) {
  Diagnostics diagnostics;
  std::optional<Graph> graph = Graph::parse(text, "test.toml", runtime.catalog(), {}, diagnostics);
  INFO(diagnostics.to_text());
  REQUIRE(graph);
  return std::move(*graph);
}

std::int64_t number(const RunReport& report) {
  INFO(report.to_json());
  REQUIRE(report.outputs.size() == 1);
  const auto value = TypedReply<Number>::verify(report.outputs[0].second);
  REQUIRE(value);
  return (*value)->value();
}

std::string numbers(int count) {
  return "[sources.numbers]\ntask = \"tenon.numbers\"\nargs = { count = " + std::to_string(count) + " }\n";
}

const StageReport& stage(const RunReport& report, const std::string& name) {
  for (const StageReport& one : report.stages) {
    if (one.name == name) {
      return one;
    }
  }
  FAIL("no stage " + name);
  return report.stages.front();
}

}  // namespace

TEST_CASE("Pipeline: numbers through maps into a sum, with real workers") {
  Runtime runtime = start(2);
  const Graph graph = parse(runtime, numbers(20000) + R"(
[stages.twice]
task = "steps.twice"
params = { factor = 3 }
inputs = ["numbers"]
order = "input"
[stages.pass]
task = "steps.pass"
inputs = ["twice"]
[sinks.sum]
task = "tenon.sum"
inputs = ["pass"]
)");
  const RunReport report = run_pipeline(runtime, graph);
  INFO(report.to_json());
  CHECK(report.end == RunReport::End::kDone);
  CHECK(number(report) == 3LL * 20000 * 19999 / 2);
  CHECK(stage(report, "sum").grouped == 20000);
}

TEST_CASE("Pipeline: filter, route by conditions, project and limit over results of real workers") {
  Runtime runtime = start(2);
  const Graph graph = parse(runtime, numbers(1000) + R"(
[stages.judge]
task = "steps.judge"
inputs = ["numbers"]
order = "input"
[stages.odd]
kind = "filter"
inputs = ["judge"]
where = { parity = "odd", name = "glob:n[1-8]*", value = ">= 10" }
[stages.by]
kind = "route"
inputs = ["odd"]
cases = { small = { value = "< 100" }, large = { value = ">= 500" } }
else = "drop"
[stages.record]
kind = "project"
inputs = ["by.small"]
fields = { number = "value", is = "parity", name = "name", at = "@index" }
[stages.back]
task = "steps.pass"
inputs = ["record"]
[sinks.records]
task = "tenon.discard"
inputs = ["back"]
[stages.few]
kind = "limit"
items = 20
inputs = ["by.large"]
[sinks.large]
task = "tenon.discard"
inputs = ["few"]
[sinks.even]
task = "tenon.discard"
inputs = ["odd.else"]
)");
  const RunReport report = run_pipeline(runtime, graph);
  INFO(report.to_json());
  CHECK(report.end == RunReport::End::kDone);
  CHECK(report.failures.empty());
  CHECK(stage(report, "records").items_out == 40);
  CHECK(stage(report, "large").items_out == 20);
  CHECK(stage(report, "odd").items_out == 1000);
  CHECK(stage(report, "even").items_out + stage(report, "by").items_in == 1000);
}

TEST_CASE("Pipeline: a limit ends a run of a real source, map and reduce without an error") {
  Runtime runtime = start(2);
  const Graph graph = parse(runtime, numbers(2'000'000) + R"(
[stages.twice]
task = "steps.twice"
inputs = ["numbers"]
order = "input"
[stages.first]
kind = "limit"
items = 100
inputs = ["twice"]
[sinks.sum]
task = "tenon.sum"
inputs = ["first"]
)");
  const RunReport report = run_pipeline(runtime, graph);
  INFO(report.to_json());
  CHECK(report.end == RunReport::End::kDone);
  CHECK(number(report) == 2 * 100 * 99 / 2);
  CHECK(stage(report, "numbers").items_out < 1'000'000);
}

TEST_CASE("Pipeline: route by an enum, batches, and a failing item named by its field") {
  Runtime runtime = start(2);
  const Graph graph = parse(runtime, numbers(1000) + R"(
[stages.twice]
task = "steps.twice"
params = { factor = 1, fail_at = 500 }
inputs = ["numbers"]
[stages.judge]
task = "steps.judge"
inputs = ["twice"]
[stages.by]
kind = "route"
inputs = ["judge"]
field = "parity"
cases = { odd = "odd" }
else = "drop"
[sinks.odd]
task = "tenon.discard"
inputs = ["by.odd"]
[stages.batch]
kind = "batch"
task = "tenon.sum"
inputs = ["twice"]
size = 100
[sinks.sum]
task = "tenon.sum"
inputs = ["batch"]
)");
  const RunReport report = run_pipeline(runtime, graph);
  INFO(report.to_json());
  CHECK(report.end == RunReport::End::kDone);
  CHECK(number(report) == 1000 * 999 / 2 - 500);
  CHECK(stage(report, "odd").items_out == 500);
  CHECK(stage(report, "by").dropped == 499);
  CHECK(stage(report, "batch").items_out == 10);
  REQUIRE(report.failures.size() == 1);
  CHECK(report.failures[0].stage == "twice");
  CHECK(report.failures[0].item == "item 500");
  CHECK(report.failures[0].error.message.find("asked to fail at 500") != std::string::npos);
}

TEST_CASE("Pipeline: a worker that dies costs one item; its sessions go on from their checkpoints") {
  for (const unsigned workers : {1U, 2U}) {
    Runtime runtime = start(workers);
    const Graph graph = parse(runtime, numbers(3000) + R"(
[stages.twice]
task = "steps.twice"
params = { factor = 1, crash_at = 700 }
inputs = ["numbers"]
[sinks.sum]
task = "tenon.sum"
inputs = ["twice"]
)");
    const RunReport report = run_pipeline(runtime, graph);
    INFO(report.to_json());
    CHECK(report.end == RunReport::End::kDone);
    CHECK(number(report) == 3000LL * 2999 / 2 - 700);
    REQUIRE(report.failures.size() == 1);
    CHECK(report.failures[0].item == "item 700");
    CHECK(report.failures[0].error.code == ErrorCode::kCrashed);
  }
}

TEST_CASE("Pipeline: a task's stdout is a log stream, and a crash shows the last lines of both streams") {
  struct Log {
    std::mutex mutex;
    std::vector<std::pair<std::string, std::string>> lines;  // Source and message.
  };
  const auto log = std::make_shared<Log>();
  RuntimeOptions options = runtime_options(1);
  options.log = [log](const LogRecord& record) {
    const std::lock_guard lock(log->mutex);
    log->lines.emplace_back(record.source, record.message);
  };
  Result<Runtime> runtime = Runtime::start(std::move(options));
  REQUIRE(runtime);
  const Graph graph = parse(*runtime, numbers(3) + R"(
[stages.twice]
task = "steps.twice"
params = { crash_at = 1, last_words = "farewell" }
inputs = ["numbers"]
[sinks.sum]
task = "tenon.sum"
inputs = ["twice"]
)");
  const RunReport report = run_pipeline(*runtime, graph);
  INFO(report.to_json());
  REQUIRE(report.failures.size() == 1);
  const ErrorContext& context = report.failures[0].error.context;
  CHECK(context.task == "steps.twice");
  CHECK(context.signal == SIGABRT);
  CHECK(context.stdout_tail == "stdout: farewell");
  CHECK(context.stderr_tail == "stderr: farewell");
  const std::lock_guard lock(log->mutex);
  using Line = std::pair<std::string, std::string>;
  CHECK(std::count(log->lines.begin(), log->lines.end(), Line("stdout", "stdout: farewell")) == 1);
  CHECK(std::count(log->lines.begin(), log->lines.end(), Line("stderr", "stderr: farewell")) == 1);
}

TEST_CASE("Pipeline: workers killed in the middle of bulk calls cost the items they were running, no others") {
  Runtime runtime = start(2);
  const bool idempotent = GENERATE(true, false);
  constexpr std::int64_t kCount = 300'000;
  // A call that is not idempotent fails if its worker dies; an idempotent call runs again.
  const std::string stage_text =
      idempotent ? "task = \"steps.pass\"\n" : "task = \"steps.twice\"\nparams = { factor = 1 }\n";
  const Graph graph = parse(runtime, numbers(kCount) + "[stages.first]\n" + stage_text + R"(inputs = ["numbers"]
[stages.second]
task = "steps.pass"
inputs = ["first"]
[sinks.sum]
task = "tenon.sum"
inputs = ["second"]
)");
  std::atomic<bool> done{false};
  std::atomic<int> kills{0};
  const auto control = std::make_shared<RunControl>();
  std::thread killer([&] {
    std::uint64_t given = 0;
    std::uint64_t summed = 0;
    // So few that a slow machine also reaches the end.
    for (std::size_t i = 0; !done.load() && kills.load() < 10;) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      // Both sessions have made progress since the last kill: a session that dies several times at
      // one position is given up.
      const RunReport so_far = control->report();
      if (so_far.stages.empty()) {
        continue;
      }
      const StageReport& source = so_far.stages.front();
      const StageReport& sum = so_far.stages.back();
      if ((!source.ended && source.items_out <= given) || sum.grouped <= summed) {
        continue;
      }
      given = source.items_out;
      summed = sum.grouped;
      ++i;
      const auto workers = runtime.stats().workers;
      if (!workers.empty() && workers[i % workers.size()].pid > 0) {
        ++kills;
        ::kill(static_cast<pid_t>(workers[i % workers.size()].pid), SIGKILL);
      }
    }
  });
  RunOptions options;
  options.control = control;
  options.max_reported_failures = kCount;
  const RunReport report = run_pipeline(runtime, graph, options);
  done = true;
  killer.join();
  INFO(report.to_json());
  REQUIRE(report.end == RunReport::End::kDone);
  INFO("kills " << kills);
  CHECK(kills > 0);
  CHECK(report.failure_count <= static_cast<std::uint64_t>(kills));
  std::int64_t lost = 0;
  for (const ItemFailure& failure : report.failures) {
    CHECK(failure.error.code == ErrorCode::kCrashed);
    CHECK(failure.stage == "first");
    REQUIRE(failure.item.rfind("item ", 0) == 0);
    lost += std::stoll(failure.item.substr(5));
  }
  CHECK((!idempotent || report.failure_count == 0));
  CHECK(number(report) == kCount * (kCount - 1) / 2 - lost);
  CHECK(stage(report, "first").items_out + stage(report, "first").failed == kCount);
  CHECK(stage(report, "sum").grouped == kCount - report.failure_count);
}

TEST_CASE("Pipeline: a stage with a time-out, one in order and one by key beside others") {
  Runtime runtime = start(2);
  const Graph graph = parse(runtime, numbers(20000) + R"(
[stages.timed]
task = "steps.twice"
params = { factor = 1, fail_at = 10000 }
inputs = ["numbers"]
timeout = "60s"
[stages.ordered]
task = "steps.judge"
inputs = ["timed"]
order = "input"
[stages.keyed]
task = "steps.pass"
inputs = ["ordered"]
order = "key:parity"
[sinks.drop]
task = "tenon.discard"
inputs = ["keyed"]
[stages.free]
task = "steps.pass"
inputs = ["timed"]
retry = { attempts = 2, backoff = "1ms" }
[sinks.sum]
task = "tenon.sum"
inputs = ["free"]
)");
  const RunReport report = run_pipeline(runtime, graph);
  INFO(report.to_json());
  CHECK(report.end == RunReport::End::kDone);
  CHECK(number(report) == 20000LL * 19999 / 2 - 10000);
  CHECK(report.failure_count == 1);
  CHECK(stage(report, "drop").items_out == 19999);
}

TEST_CASE("Pipeline: a stop drains, a second one cancels, with real workers") {
  for (const int how : {1, 2}) {
    Runtime runtime = start(2);
    const Graph graph = parse(runtime, numbers(100000000) + R"(
[stages.twice]
task = "steps.twice"
inputs = ["numbers"]
[sinks.sum]
task = "tenon.sum"
inputs = ["twice"]
)");
    std::atomic<int> stop{0};
    RunOptions options;
    options.stop = &stop;
    options.on_progress = [&](const RunReport& report) {
      if (stage(report, "sum").grouped > 0) {
        stop = how;
      }
    };
    const RunReport report = run_pipeline(runtime, graph, options);
    INFO(report.to_json());
    CHECK(report.end == RunReport::End::kInterrupted);
    CHECK(report.failure_count == 0);
    if (how == 1) {
      // All items that were given passed through, but a partial sum is not a result.
      CHECK(stage(report, "twice").items_out == stage(report, "numbers").items_out);
      CHECK(stage(report, "sum").dropped == stage(report, "numbers").items_out);
      CHECK(stage(report, "sum").note == "no result: the run was interrupted before its input ended");
      CHECK(report.outputs.empty());
    }
  }
}

TEST_CASE("Pipeline: plugins' own schemas judge a file") {
  Runtime runtime = start(1);
  Diagnostics diagnostics;
  const std::string text = R"([sources.numbers]
task = "tenon.numbers"
args = { cuont = 3, first = "x" }
[stages.judge]
task = "steps.judge"
inputs = ["numbers"]
[sinks.sum]
task = "tenon.sum"
inputs = ["judge"]
)";
  CHECK_FALSE(Graph::parse(text, "test.toml", runtime.catalog(), {}, diagnostics));
  const std::string shown = diagnostics.to_text();
  INFO(shown);
  CHECK(shown.find("test.toml:3:10: error: unknown key 'cuont' in args of source 'numbers'") != std::string::npos);
  CHECK(shown.find("did you mean 'count'?") != std::string::npos);
  CHECK(shown.find("test.toml:3:29: error: 'first' is \"x\"; it takes an integer") != std::string::npos);
  CHECK(shown.find("test.toml:9:11: error: 'sum' takes tenon.Number, but 'judge' gives steps.Judged") !=
        std::string::npos);
}

TEST_CASE("Graph: load says what is wrong with the file itself") {
  Runtime runtime = start(1);
  const TemporaryDirectory directory;
  const auto shown = [&](const std::filesystem::path& file) {
    Diagnostics diagnostics;
    CHECK_FALSE(Graph::load(file, runtime.catalog(), {}, diagnostics));
    return diagnostics.to_text();
  };
  CHECK(shown(directory / "absent.toml").find("absent.toml: error: ") != std::string::npos);
  CHECK(shown(directory.path()).find(": error: this is a directory; give a pipeline file") != std::string::npos);
  {
    std::ofstream large(directory / "large.toml");
    large << std::string(10'000'000, '#');
  }
  CHECK(shown(directory / "large.toml").find("larger than a pipeline may be") != std::string::npos);
  std::ofstream(directory / "empty.toml").close();
  CHECK(shown(directory / "empty.toml").find("empty.toml:1:1: error: the file is empty") != std::string::npos);
}

}  // namespace tenon::test
