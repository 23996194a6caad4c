// How a daemon starts and ends.
#include <signal.h>

#include <fstream>

#include "daemon.hpp"
#include "tenon_test/catch.hpp"

using namespace tenon::test;

TEST_CASE("tenon serve: starts without a pipeline, says what it runs, and stops with nothing left") {
  Daemon daemon;
  const auto status = daemon.json({"status"});
  CHECK(status["state"] == "serving");
  CHECK(status["pid"] == daemon.program().pid());
  CHECK(status["pipelines"].empty());
  bool named = false;
  for (const auto& plugin : status["plugins"]) {
    named = named || (plugin["name"] == "tenon" && plugin["sha256"].get<std::string>().size() == 64);
  }
  CHECK(named);
  CHECK(has(daemon.run({"status"}).output, "serving for"));
  const auto workers = daemon.workers();
  CHECK(workers.size() == 2);

  const Ended stopped = daemon.run({"stop"});
  CHECK(stopped.exit == 0);
  CHECK(daemon.program().wait() == 0);
  CHECK_FALSE(std::filesystem::exists(daemon.socket()));
  for (const pid_t worker : workers) {
    CHECK_FALSE(alive(worker));
  }
  const Ended gone = daemon.run({"status"});
  CHECK(gone.exit == 1);
  CHECK(has(gone.error, "no daemon listens"));
  CHECK(has(gone.error, "tenon serve"));
}

TEST_CASE("tenon serve: SIGTERM and Ctrl-C end it well") {
  for (const int number : {SIGTERM, SIGINT}) {
    Daemon daemon;
    daemon.signal(number);
    CHECK(daemon.program().wait() == 0);
    CHECK(has(daemon.program().error(), "stopped"));
  }
}

TEST_CASE("tenon serve: SIGTERM lets a pipeline finish what is in flight, a second one cancels") {
  const TemporaryDirectory directory;
  std::ofstream(directory / "slow.toml") << numbers_pipeline("slow", 1'000'000, 5);
  Daemon daemon({(directory / "slow.toml").string()});
  REQUIRE(eventually([&] { return daemon.json({"status"})["pipelines"][0]["stages"][0]["out"] > 0; }));
  daemon.signal(SIGTERM);
  CHECK(daemon.program().wait() == 0);
  CHECK(has(daemon.program().error(), "interrupted"));
}

TEST_CASE("tenon serve: a killed daemon leaves no worker, and the next one takes the socket over") {
  Daemon daemon;
  const auto workers = daemon.workers();
  daemon.signal(SIGKILL);
  CHECK(daemon.program().wait() == 128 + SIGKILL);
  CHECK(std::filesystem::exists(daemon.socket()));
  CHECK(eventually(
      [&] { return std::none_of(workers.begin(), workers.end(), [](pid_t worker) { return alive(worker); }); }));
  const Ended nobody = daemon.run({"status"});
  CHECK(nobody.exit == 1);
  CHECK(has(nobody.error, "died left the socket behind"));
  daemon.start_again();
  CHECK(daemon.json({"status"})["state"] == "serving");
}

TEST_CASE("tenon serve: every error of every file is told, and nothing starts") {
  const TemporaryDirectory directory;
  std::ofstream(directory / "one.toml") << "[pipeline]\nname = \"one\"\n[sources.a]\ntask = \"tenon.nunbers\"\n";
  std::ofstream(directory / "two.toml") << "[pipelin]\nname = \"two\"\n";
  const Ended ended = tenon::test::tenon({"serve", (directory / "one.toml").string(), (directory / "two.toml").string(),
                                          "--socket", (directory / "socket").string()});
  CHECK(ended.exit == 78);
  CHECK(has(ended.error, "one.toml:4"));
  CHECK(has(ended.error, "two.toml:1"));
  CHECK_FALSE(std::filesystem::exists(directory / "socket"));

  std::ofstream(directory / "three.toml") << numbers_pipeline("same", 1, 0);
  std::ofstream(directory / "four.toml") << numbers_pipeline("same", 1, 0);
  const Ended twice =
      tenon::test::tenon({"serve", (directory / "three.toml").string(), (directory / "four.toml").string(), "--socket",
                          (directory / "socket").string()});
  CHECK(twice.exit == 78);
  CHECK(has(twice.error, "are both the pipeline 'same'"));
}

TEST_CASE("tenon serve: a store that cannot be written is bad configuration") {
  const TemporaryDirectory directory;
  std::ofstream(directory / "file") << "no directory";
  const Ended ended = tenon::test::tenon(
      {"serve", "--socket", (directory / "socket").string(), "--store", (directory / "file" / "store").string()});
  CHECK(ended.exit == 78);
  CHECK(has(ended.error, "store"));
}
