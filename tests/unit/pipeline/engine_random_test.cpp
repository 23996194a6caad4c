#include "pipeline/engine.hpp"

#include <algorithm>
#include <atomic>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "engine_fixture.hpp"
#include "fake_executor.hpp"
#include "tenon_test/catch.hpp"

namespace tenon::test {

namespace {

/// Returns a graph of random shape in which a later node takes every output.
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
    const int kind = draw(0, 10);
    text += "[stages." + name + "]\n" + input();
    if (kind < 5) {
      text += "task = \"tenon.double\"\n";
      text += draw(0, 1) == 0 ? "" : "workers = " + std::to_string(draw(1, 9)) + "\n";
      const int order = draw(0, 2);
      text += order == 0 ? "" : order == 1 ? "order = \"input\"\n" : "order = \"key:group\"\n";
      text += draw(0, 1) == 0 ? "" : "retry = { attempts = 2, backoff = \"1ms\" }\n";
      give(name);
    } else if (kind == 5) {
      static const char* const kRules[] = {
          "kind = \"filter\"\nwhere = { group = [\"g0\", \"g2\"] }\n",
          "kind = \"sample\"\nevery = 3\n",
          "kind = \"throttle\"\nrate = \"100000/s\"\n",
          "kind = \"delay\"\nfor = \"1ms\"\n",
      };
      const int limit = draw(0, 4);
      text += limit == 4 ? "kind = \"limit\"\nitems = " + std::to_string(draw(1, 40)) + "\n" : kRules[limit];
      give(name);
      if (limit == 0 && draw(0, 1) == 0) {
        give(name + ".else");
      }
    } else if (kind < 8) {
      text += "kind = \"route\"\nfield = \"group\"\ncases = { a = [\"g0\"], b = [\"g1\"] }\n";
      give(name + ".a");
      give(name + ".b");
      give(name + ".else");
    } else if (kind == 10) {
      text += "task = \"other.split\"\n";
      text += draw(0, 1) == 0 ? "" : "workers = " + std::to_string(draw(1, 9)) + "\n";
      text += draw(0, 1) == 0 ? "" : "order = \"input\"\n";
      text += draw(0, 1) == 0 ? "" : "retry = { attempts = 2, backoff = \"1ms\" }\n";
      give(name);
    } else {
      text += "task = \"tenon.sum\"\n";
      text += kind == 8 ? "kind = \"batch\"\nsize = " + std::to_string(draw(1, 50)) + "\nmax_wait = \"1ms\"\n"
                        : std::string("kind = \"reduce\"\n");
      static const char* const kGroups[] = {
          "",
          "by = \"group\"\n",
          "by = \"group\"\nwindow = { size = \"1ms\" }\n",
          "window = { size = \"40s\", slide = \"15s\", time = \"value\", unit = \"s\", lateness = \"9s\", idle = "
          "\"1ms\" }\n",
          "by = [\"value\", \"group\"]\nwindow = { gap = \"5s\", time = \"value\", unit = \"s\", lateness = \"20s\" "
          "}\n",
          "by = \"group\"\nwindow = { size = \"99s\", time = \"value\", unit = \"s\", early = \"50ms\" }\n"};
      text += kind == 8 ? "" : kGroups[draw(0, 5)];
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
    // Deep chains of expands would multiply the items.
    executor.task("other.split").results_of = [](std::int64_t value) { return static_cast<int>(value % 3); };
    executor.task("other.split").failures = {3, 20, 90};
    if (seed % 3 == 0) {
      executor.task("other.split").crashes = {1, 7, 8, 30};
      executor.task("other.split").losses = {5, 40};
      executor.task("tenon.numbers").crashes = {1, 4};
      executor.task("tenon.sum").crashes = {2, 9};
    }
    std::atomic<int> stop{0};
    RunOptions options;
    options.stop = &stop;
    if (seed % 5 == 0) {
      executor.on_wait = [&] { stop = executor.waits() > 40 ? (seed % 2 == 0 ? 1 : 2) : 0; };
    }
    if (seed % 4 == 1) {
      options.control = std::make_shared<RunControl>();
      executor.on_wait = [&] { executor.waits() % 7 == 0 ? options.control->pause() : options.control->resume(); };
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
