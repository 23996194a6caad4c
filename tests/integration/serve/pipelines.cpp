// The pipelines of a daemon, controlled by commands.
#include <chrono>
#include <filesystem>
#include <fstream>

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
  CHECK(has(daemon.program().output(), "45"));
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
