/// Sessions whose worker processes die or hang at each point of their lives; see life/life.c.
#include <csignal>
#include <cstdlib>

#include <atomic>
#include <chrono>
#include <fstream>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <tenon/types_generated.h>
#include <tenon/pipeline.hpp>

#include "tenon_test/catch.hpp"
#include "tenon_test/runtime.hpp"
#include "tenon_test/temporary_directory.hpp"

using namespace std::chrono_literals;

namespace tenon::test {
namespace {

/// The instructions for the plugin `life`; workers that start during its lifetime inherit them.
class Life {
 public:
  Life(const char* variable, const std::string& value) : Life() {
    variable_ = variable;
    ::setenv(variable, value.c_str(), 1);
  }
  Life() { ::setenv("LIFE_DIR", directory_.path().c_str(), 1); }
  Life(const Life&) = delete;
  Life& operator=(const Life&) = delete;
  ~Life() {
    ::unsetenv("LIFE_DIR");
    if (variable_ != nullptr) {
      ::unsetenv(variable_);
    }
  }
  /// Returns the sums of the shown results: the number of items, and the total.
  [[nodiscard]] std::pair<std::uint64_t, std::uint64_t> shown() const {
    std::ifstream file(directory_.path() / "shown");
    std::pair<std::uint64_t, std::uint64_t> sum;
    for (std::uint64_t n = 0, total = 0; file >> n >> total;) {
      sum.first += n;
      sum.second += total;
    }
    return sum;
  }

 private:
  TemporaryDirectory directory_;
  const char* variable_ = nullptr;
};

std::string text_of(int count, bool batch, const std::string& keys = {}) {
  return "[sources.count]\ntask = \"life.count\"\nargs = { count = " + std::to_string(count) + " }\n" + keys +
         "[stages.pass]\ntask = \"life.pass\"\ninputs = [\"count\"]\n[stages.sum]\nkind = \"" +
         (batch ? "batch\"\nsize = 100" : "reduce\"") + "\ntask = \"life.sum\"\ninputs = [\"pass\"]\n" + keys +
         "[sinks.show]\ntask = \"life.show\"\ninputs = [\"sum\"]\n";
}

RunReport run(const std::string& text, unsigned workers = 2) {
  RuntimeOptions options = runtime_options(workers);
  options.cancel_grace = 20ms;
  Result<Runtime> runtime = Runtime::start(std::move(options));
  INFO((runtime ? std::string() : runtime.error().to_string()));
  REQUIRE(runtime);
  Diagnostics diagnostics;
  std::optional<Graph> graph = Graph::parse(text, "test.toml", runtime->catalog(), {}, diagnostics);
  INFO(diagnostics.to_text());
  REQUIRE(graph);
  return run_pipeline(*runtime, *graph);
}

void check_survives(const std::string& death, int count, bool batch) {
  const Life life("LIFE_DIE", death);
  const RunReport report = run(text_of(count, batch));
  INFO(death << ": " << report.to_json());
  REQUIRE(report.end == RunReport::End::kDone);
  REQUIRE(report.failure_count == 0);
  const auto n = static_cast<std::uint64_t>(count);
  REQUIRE(life.shown() == std::pair(n, n * (n + 1) / 2));
}

/// Each item of `count` gives three.
std::string spread_text(int count, const std::string& keys = {}) {
  return "[sources.count]\ntask = \"life.count\"\nargs = { count = " + std::to_string(count) +
         " }\n[stages.spread]\ntask = \"life.spread\"\ninputs = [\"count\"]\n" + keys +
         "[stages.sum]\nkind = \"reduce\"\ntask = \"life.sum\"\ninputs = [\"spread\"]\n[sinks.show]\ntask = "
         "\"life.show\"\ninputs = [\"sum\"]\n";
}

}  // namespace

TEST_CASE("Session: the worker of an expanded item dies at each point of its life, and nothing is lost or doubled") {
  for (const char* death :
       {"spread.open:1", "spread.open:20", "spread.checkpoint:1", "spread.step:1", "spread.step:2", "spread.step:41",
        "spread.step:41,spread.step:42,spread.open:30", "spread.close:1", "spread.close:15", "count.step:3"}) {
    for (const char* keys : {"", "order = \"input\"\nworkers = 3\n"}) {
      const Life life("LIFE_DIE", death);
      constexpr std::uint64_t kCount = 60;
      const RunReport report = run(spread_text(kCount, keys));
      INFO(death << ": " << report.to_json());
      REQUIRE(report.end == RunReport::End::kDone);
      REQUIRE(report.failure_count == 0);
      REQUIRE(life.shown() == std::pair(3 * kCount, 3 * kCount * (3 * kCount + 1) / 2));
    }
  }
}

TEST_CASE("Session: a step of an expanded item that hangs is ended by its timeout, and the item continues") {
  for (const char* hang : {"spread.open:3", "spread.step:8"}) {
    const Life life("LIFE_HANG", hang);
    const RunReport report = run(spread_text(20, "timeout = \"250ms\"\n"));
    INFO(hang << ": " << report.to_json());
    REQUIRE(report.end == RunReport::End::kDone);
    CHECK(report.failure_count == 0);
    CHECK(life.shown().first == 60);
  }
}

TEST_CASE("Session: an expand whose workers are killed all the time gives each result once") {
  const Life life;
  Result<Runtime> runtime = Runtime::start(runtime_options(2));
  REQUIRE(runtime);
  Diagnostics diagnostics;
  constexpr std::uint64_t kCount = 3000;
  std::optional<Graph> graph =
      Graph::parse(spread_text(kCount, "order = \"input\"\n"), "test.toml", runtime->catalog(), {}, diagnostics);
  INFO(diagnostics.to_text());
  REQUIRE(graph);
  std::atomic<bool> done{false};
  std::thread killer([&] {
    std::minstd_rand random(2);
    for (int kills = 0; kills < 40 && !done.load(); ++kills) {
      std::this_thread::sleep_for(10ms);
      const RuntimeStats stats = runtime->stats();
      if (!stats.workers.empty()) {
        ::kill(static_cast<pid_t>(stats.workers[random() % stats.workers.size()].pid), SIGKILL);
      }
    }
  });
  const RunReport report = run_pipeline(*runtime, *graph);
  done.store(true);
  killer.join();
  INFO(report.to_json());
  REQUIRE(report.end == RunReport::End::kDone);
  CHECK(report.failure_count == 0);
  CHECK(life.shown() == std::pair(3 * kCount, 3 * kCount * (3 * kCount + 1) / 2));
}

TEST_CASE("Session: a source's worker dies at each point of its life, and nothing is lost or doubled") {
  for (const char* death : {"count.open:1", "count.checkpoint:1", "count.step:1", "count.step:2", "count.checkpoint:2",
                            "count.step:9", "count.close:1", "count.open:1,count.open:2,count.open:3",
                            "count.step:1,count.open:2,count.checkpoint:2", "count.step:2,count.step:3,count.step:4"}) {
    check_survives(death, 600, false);
  }
}

TEST_CASE("Session: a reduce's worker dies at each point of its life, and nothing is lost or doubled") {
  for (const char* death : {"sum.open:1", "sum.checkpoint:1", "sum.step:1", "sum.step:300", "sum.finish:1",
                            "sum.finish:1,sum.open:2", "sum.close:1"}) {
    check_survives(death, 600, false);
  }
  check_survives("sum.checkpoint:2", 4500, false);
  check_survives("sum.step:4300", 4500, false);
}

TEST_CASE("Session: a batch's worker dies at each point of its life, and nothing is lost or doubled") {
  for (const char* death : {"sum.open:1", "sum.open:3,sum.open:4", "sum.step:150", "sum.finish:2", "sum.close:2",
                            "count.open:1", "count.step:3"}) {
    check_survives(death, 600, true);
  }
}

TEST_CASE("Session: a map that crashes on some items costs those items and no session") {
  for (const unsigned workers : {1U, 2U}) {
    for (const int every : {100, 10}) {
      const Life life("LIFE_CRASH_EVERY", std::to_string(every));
      const RunReport report = run(text_of(600, false), workers);
      INFO(report.to_json());
      REQUIRE(report.end == RunReport::End::kDone);
      const std::uint64_t crashes = 400 / static_cast<std::uint64_t>(every);
      CHECK(report.failure_count == crashes);
      CHECK(life.shown().first == 600 - crashes);
    }
  }
}

TEST_CASE("Session: one that always dies ends the run with an error that names it") {
  for (const auto& [death, stage] :
       std::vector<std::pair<std::string, std::string>>{{"count.step:2+", "source 'count' (life.count) failed"},
                                                        {"count.open:1+", "source 'count' (life.count) failed"},
                                                        {"sum.open:1+", "reduce 'sum' (life.sum) failed"},
                                                        {"sum.finish:1+", "reduce 'sum' (life.sum) failed"}}) {
    const Life life("LIFE_DIE", death);
    const RunReport report = run(text_of(600, false));
    INFO(death << ": " << report.to_json());
    REQUIRE(report.end == RunReport::End::kFailed);
    REQUIRE(report.error);
    CHECK(report.error->message.starts_with(stage));
    CHECK(report.error->message.find("it was killed 51 times at the same position") != std::string::npos);
  }
}

TEST_CASE("Session: a step that hangs is ended by its timeout, and the session continues") {
  for (const char* hang : {"count.open:1", "count.step:2", "sum.step:100", "sum.finish:1"}) {
    const Life life("LIFE_HANG", hang);
    const RunReport report = run(text_of(600, false, "timeout = \"250ms\"\n"));
    INFO(hang << ": " << report.to_json());
    REQUIRE(report.end == RunReport::End::kDone);
    CHECK(life.shown().first == 600);
  }
}

TEST_CASE("Session: a step that always hangs ends the run and says that its timeout passed") {
  const Life life("LIFE_HANG", "count.step:2+");
  const RunReport report = run(text_of(600, false, "timeout = \"50ms\"\n"));
  INFO(report.to_json());
  REQUIRE(report.end == RunReport::End::kFailed);
  REQUIRE(report.error);
  CHECK(report.error->message.find("source 'count' (life.count) failed: a step took longer than its timeout") == 0);
  CHECK(report.error->message.find("4 times") != std::string::npos);
}

TEST_CASE("Session: workers that are killed all the time let a run finish with every item handled once") {
  // Signals that others send to end a process; a service manager and `kill` send the second one.
  const int signal = GENERATE(SIGKILL, SIGTERM);
  CAPTURE(signal);
  Result<Runtime> runtime = Runtime::start(runtime_options(2));
  REQUIRE(runtime);
  Diagnostics diagnostics;
  constexpr std::int64_t kCount = 60'000;
  std::optional<Graph> graph =
      Graph::parse("[sources.numbers]\ntask = \"tenon.numbers\"\nargs = { count = " + std::to_string(kCount) + R"( }
[stages.pass]
task = "steps.pass"
inputs = ["numbers"]
retry = { attempts = 50, backoff = "1ms" }
[sinks.sum]
task = "tenon.sum"
inputs = ["pass"]
)",
                   "test.toml", runtime->catalog(), {}, diagnostics);
  INFO(diagnostics.to_text());
  REQUIRE(graph);
  std::atomic<bool> done{false};
  std::thread killer([&] {
    std::minstd_rand random(1);
    // Limited, so that a slow machine also makes progress.
    for (int kills = 0; kills < 60 && !done.load(); ++kills) {
      std::this_thread::sleep_for(10ms);
      const RuntimeStats stats = runtime->stats();
      if (!stats.workers.empty()) {
        ::kill(static_cast<pid_t>(stats.workers[random() % stats.workers.size()].pid), signal);
      }
    }
  });
  const RunReport report = run_pipeline(*runtime, *graph);
  done.store(true);
  killer.join();
  INFO(report.to_json());
  REQUIRE(report.end == RunReport::End::kDone);
  CHECK(report.failure_count == 0);
  REQUIRE(report.outputs.size() == 1);
  const auto sum = TypedReply<Number>::verify(report.outputs[0].second);
  REQUIRE(sum);
  CHECK((*sum)->value() == kCount * (kCount - 1) / 2);
}

}  // namespace tenon::test
