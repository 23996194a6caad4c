// The pipelines of a daemon, steered from outside.
#include <fstream>

#include "daemon.hpp"
#include "tenon_test/catch.hpp"

using namespace tenon::test;

namespace {

std::uint64_t given(const Daemon& daemon) {
  // A run that has just been started has no stages to tell of yet.
  const auto status = daemon.json({"status"});
  const auto& stages = status["pipelines"][0]["stages"];
  return stages.empty() ? 0 : stages[0]["out"].get<std::uint64_t>();
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
