// The start and the end of a daemon.
#include <signal.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "daemon.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/paths.hpp"

using namespace tenon::test;
namespace fs = std::filesystem;

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
  REQUIRE(eventually([&] { return daemon.json({"status"})["pipelines"][0]["stages"][0]["items_out"] > 0; }));
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

TEST_CASE("tenon serve: log lines begin with the time, but where a journal adds it; with --json each is an object") {
  {
    Daemon daemon;
    CHECK(eventually([&] { return has(daemon.program().error(), "serving 0"); }));
    const std::string line = daemon.program().error();
    INFO(line);
    // As in "2026-03-01T12:00:00.250Z tenon: info: serving".
    REQUIRE(line.size() > 25);
    CHECK(line[4] == '-');
    CHECK(line[10] == 'T');
    CHECK(line.substr(23, 9) == "Z tenon: ");
  }
  {
    ProgramOptions options;
    options.environment = {{"JOURNAL_STREAM", "8:1"}};
    Daemon daemon({}, options);
    CHECK(eventually([&] { return daemon.program().error().starts_with("<6>tenon: info: "); }));
  }
  Daemon daemon({"--json"});
  REQUIRE(daemon.run({"stop"}).exit == 0);
  REQUIRE(daemon.program().wait() == 0);
  std::istringstream lines(daemon.program().error());
  std::size_t count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    INFO(line);
    const auto json = nlohmann::json::parse(line, nullptr, false);
    REQUIRE(json.is_object());
    CHECK(json["time"].get<std::string>().size() == 24);
    CHECK_FALSE(json["level"].get<std::string>().empty());
    CHECK_FALSE(json["message"].get<std::string>().empty());
  }
  CHECK(count >= 2);
}

TEST_CASE("tenon status: --wait is there when the daemon serves, and gives up in time") {
  const TemporaryDirectory directory;
  const std::string socket = (directory / "socket").string();
  const Ended none = tenon::test::tenon({"status", "--socket", socket, "--wait", "50ms"});
  CHECK(none.exit == 1);
  CHECK(has(none.error, "no daemon listens"));
  CHECK(tenon::test::tenon({"status", "--socket", socket, "--wait", "soon"}).exit == 2);
  Program waiting({"status", "--socket", socket, "--wait", "60s"});
  Program daemon({"serve", "--socket", socket});
  CHECK(waiting.wait() == 0);
  CHECK(has(waiting.output(), "serving for"));
  CHECK(tenon::test::tenon({"stop", "--socket", socket}).exit == 0);
  CHECK(daemon.wait() == 0);
}

TEST_CASE("tenon serve: --ready-fd is told once calls are taken, and must be open") {
  const TemporaryDirectory directory;
  const std::string socket = (directory / "socket").string();
  const fs::path ready = directory / "ready";
  const std::string program = (build_dir() / "bin" / "tenon").string();
  const std::string cache = "XDG_CACHE_HOME='" + directory.path().string() + "' ";
  REQUIRE(std::system((cache + "'" + program + "' serve --socket '" + socket + "' --ready-fd 3 3> '" + ready.string() +
                       "' > /dev/null 2>&1 &")
                          .c_str()) == 0);
  CHECK(eventually([&] {
    std::ifstream file(ready);
    return std::string(std::istreambuf_iterator<char>(file), {}) == "ready\n";
  }));
  CHECK(tenon::test::tenon({"status", "--socket", socket}).exit == 0);
  CHECK(tenon::test::tenon({"stop", "--socket", socket}).exit == 0);
  for (const char* const number : {"99", "1", "18446744073709551615"}) {
    const Ended closed = tenon::test::tenon({"serve", "--socket", socket, "--ready-fd", number});
    CHECK(closed.exit == 2);
    CHECK(has(closed.error, "--ready-fd"));
  }
}

TEST_CASE("tenon status: shows processes, memory and times of workers") {
  Daemon daemon;
  REQUIRE(daemon.run({"call", "tenon.numbers", R"({"count": 3})"}).exit == 0);
  const auto status = daemon.json({"status"});
  REQUIRE_FALSE(status["workers"].empty());
  for (const auto& worker : status["workers"]) {
    CHECK(worker["pid"].get<int>() > 0);
    CHECK(worker["memory_bytes"].get<std::uint64_t>() > 0);
    CHECK(worker["mean_run_ns"].get<std::int64_t>() >= 0);
  }
  CHECK(has(daemon.run({"status"}).output, "  process " + std::to_string(status["workers"][0]["pid"].get<int>())));
}
