// The pipelines of a daemon, controlled by commands.
#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "daemon.hpp"
#include "plugin/file_hash.hpp"
#include "plugin/quarantine.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/paths.hpp"

using namespace tenon::test;
using namespace tenon::internal;
namespace fs = std::filesystem;

namespace {

std::uint64_t given(const Daemon& daemon) {
  // A run that has just started has no stages to report yet.
  const auto status = daemon.json({"status"});
  const auto& stages = status["pipelines"][0]["stages"];
  return stages.empty() ? 0 : stages[0]["items_out"].get<std::uint64_t>();
}

std::string state(const Daemon& daemon) {
  return daemon.json({"status"})["pipelines"][0]["state"].get<std::string>();
}

}  // namespace

TEST_CASE("tenon serve: a pipeline that ends gives its result, and the daemon stays") {
  const TemporaryDirectory directory;
  std::ofstream(directory / "short.toml") << numbers_pipeline("short", 10, 0);
  Daemon daemon({(directory / "short.toml").string()});
  CHECK(eventually([&] { return state(daemon) == "done"; }));
  CHECK(eventually([&] { return has(daemon.program().output(), "45"); }));
  CHECK(daemon.run({"pause", "short"}).exit == 1);
  CHECK(daemon.run({"drain"}).exit == 0);
  CHECK(daemon.program().running());
}

TEST_CASE("tenon serve: finds the plugins of a pipeline file that names their directory") {
  const TemporaryDirectory directory;
  const std::string plugins = (build_dir() / "tests" / "swap_plugins" / "probe_1").string();
  std::ofstream(directory / "own.toml") << "[pipeline]\nplugin_dirs = [\"" << plugins << "\"]\n"
                                        << "[sources.ticks]\ntask = \"probe.count\"\nargs = { count = 3 }\n"
                                        << "[sinks.total]\ntask = \"probe.total\"\ninputs = [\"ticks\"]\n";
  Daemon daemon({(directory / "own.toml").string()});
  CHECK(eventually([&] { return state(daemon) == "done"; }));
  CHECK(daemon.run({"call", "probe.tag_once", "{}"}).exit == 0);
}

TEST_CASE("tenon serve or run or check: a pipeline on a plugin in quarantine does not start") {
  const TemporaryDirectory directory;
  const fs::path store = directory / "tenon" / "store";
  fs::create_directories(store / "quarantine");
  fs::permissions(store, fs::perms::owner_all);
  fs::permissions(store / "quarantine", fs::perms::owner_all);
  const auto sha256 = sha256_of_file(build_dir() / "plugins" / "tenon.so");
  REQUIRE(sha256);
  REQUIRE(Quarantine(store / "quarantine", 10).add(*sha256, "turned back by a test", std::chrono::system_clock::now()));
  const std::string file = (directory / "short.toml").string();
  std::ofstream(file) << numbers_pipeline("short", 10, 0);
  const auto run = [](const fs::path& cache, const std::vector<std::string>& arguments) {
    ProgramOptions options;
    options.environment = {{"XDG_CACHE_HOME", cache.string()}};
    Program program(arguments, options);
    const int exit = program.wait();
    return Ended{exit, program.output(), program.error()};
  };
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{"check", file},
                                                    {"run", file},
                                                    {"run", file, "--watch"},
                                                    {"serve", file, "--socket", (directory / "socket").string()}}) {
    const Ended refused = run(directory.path(), arguments);
    INFO(arguments.front() << ": " << refused.error);
    CHECK(refused.exit == 78);
    CHECK(has(refused.error, "turned back by a test"));
  }
  const TemporaryDirectory other;
  CHECK(run(other.path(), {"check", file}).exit == 0);
  CHECK(run(other.path(), {"check", file, "--store", store.string()}).exit == 78);
  CHECK(run(other.path(), {"run", file}).exit == 0);
}

TEST_CASE("tenon serve or run --watch: a pipeline on a plugin that cannot be used does not start, whatever the cause") {
  const TemporaryDirectory directory;
  const std::string file = (directory / "ticks.toml").string();
  std::ofstream(file) << "[pipeline]\nname = \"ticks\"\n[sources.ticks]\ntask = \"probe.count\"\n"
                         "[sinks.total]\ntask = \"probe.total\"\ninputs = [\"ticks\"]\n";
  const fs::path plugins = directory / "plugins";
  fs::create_directory(plugins);
  struct Row {
    const char* variant;  ///< nullptr: no file; empty: a file that is no library.
    const char* said;
  };
  for (const Row& row : {Row{nullptr, "no plugin 'probe'"}, Row{"", "probe.so"}, Row{"no_entry", "entry"},
                         Row{"crash_constructor", "crashed"}, Row{"shape_first", "probe"}}) {
    fs::remove(plugins / "probe.so");
    if (row.variant != nullptr) {
      const fs::path variant = build_dir() / "tests" / "swap_plugins" / row.variant;
      if (*row.variant == '\0') {
        std::ofstream(plugins / "probe.so") << "no library";
      } else {
        fs::copy_file(fs::exists(variant / "probe.so") ? variant / "probe.so" : variant / "shape.so",
                      plugins / "probe.so");
      }
    }
    for (std::vector<std::string> arguments : {std::vector<std::string>{"run", file, "--watch"},
                                               {"serve", file, "--socket", (directory / "socket").string()}}) {
      arguments.insert(arguments.end(), {"--plugin-dir", plugins.string(), "--store", (directory / "store").string()});
      const Ended refused = tenon::test::tenon(arguments);
      INFO(arguments.front() << ": " << refused.error);
      CHECK(refused.exit == 78);
      CHECK(has(refused.error, row.said));
      CHECK(has(refused.error, "ticks.toml:4"));
    }
  }
}

TEST_CASE("tenon serve: failing items are in the log while the pipeline runs, and it gives up when all fail") {
  const TemporaryDirectory directory;
  const auto failing = [&](const std::string& name, const std::string& more) {
    std::ofstream(directory / (name + ".toml"))
        << "[pipeline]\nname = \"" << name << "\"\n"
        << more
        << "[sources.numbers]\ntask = \"tenon.numbers\"\nargs = { count = 1000000, interval_ms = 5 }\n"
           "[stages.drop]\ntask = \"tenon.discard\"\ninputs = [\"numbers\"]\n"
           "[sinks.fail]\ntask = \"tenon.fail\"\ninputs = [\"drop\"]\nparams = { message = \"as asked\" }\n";
    return (directory / (name + ".toml")).string();
  };
  Daemon daemon({failing("on", "give_up_after = 0\n"), failing("short", "give_up_after = 3\n")});
  for (const char* const name : {"on", "short"}) {
    CHECK(eventually([&] {
      return has(daemon.program().error(), "tenon: warning: pipeline '" + std::string(name) + "', stage 'fail': item ");
    }));
  }
  CHECK(has(daemon.program().error(), "as asked"));
  const auto report = [&](const std::string& name) {
    const auto status = daemon.json({"status"});
    for (const auto& pipeline : status["pipelines"]) {
      if (pipeline["name"] == name) {
        return pipeline;
      }
    }
    return nlohmann::json();
  };
  CHECK(eventually([&] { return report("short")["state"] == "failed"; }));
  CHECK(has(report("short").dump(), "items have all failed, so the run was ended (give_up_after)"));
  CHECK(report("on")["state"] == "running");
}

TEST_CASE("tenon pause, resume, drain: one pipeline, by its name") {
  const TemporaryDirectory directory;
  std::ofstream(directory / "slow.toml") << numbers_pipeline("slow", 1'000'000, 5);
  Daemon daemon({(directory / "slow.toml").string()});
  REQUIRE(eventually([&] { return given(daemon) > 0; }));

  const Ended wrong = daemon.run({"pause", "slaw"});
  CHECK(wrong.exit == 2);
  CHECK(has(wrong.error, "did you mean 'slow'"));

  CHECK(daemon.run({"pause", "slow"}).exit == 0);
  REQUIRE(eventually([&] { return state(daemon) == "paused"; }));
  const std::uint64_t paused_at = given(daemon);
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  CHECK(given(daemon) == paused_at);

  CHECK(daemon.run({"resume"}).exit == 0);
  CHECK(eventually([&] { return given(daemon) > paused_at; }));

  const auto drained = daemon.json({"drain", "slow"});
  REQUIRE(drained["pipelines"].size() == 1);
  CHECK(drained["pipelines"][0]["state"] == "interrupted");
  CHECK(daemon.program().running());
}
