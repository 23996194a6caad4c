// A daemon whose output is not read.
#include <signal.h>

#include <fstream>

#include "daemon.hpp"
#include "tenon_test/catch.hpp"

using namespace tenon::test;

namespace {

ProgramOptions with_error(OutputKind kind) {
  ProgramOptions options;
  options.error = kind;
  return options;
}

void check_serves(const Daemon& daemon) {
  const Ended echo = daemon.run({"call", "tenon.echo", R"({"data": "aGVsbG8="})"});
  CAPTURE(echo.error);
  CHECK(echo.exit == 0);
  CHECK(daemon.json({"status"})["state"] == "serving");
}

/// Makes the daemon write log lines on its loop and on a thread of the runtime.
void make_it_log(const Daemon& daemon) {
  const std::vector<pid_t> workers = daemon.workers();
  REQUIRE(daemon.run({"pause"}).exit == 0);
  REQUIRE(daemon.run({"resume"}).exit == 0);
  ::kill(workers.front(), SIGKILL);
  CHECK(eventually([&] { return daemon.json({"status"})["crashed_workers"] == 1; }));
}

}  // namespace

TEST_CASE("tenon serve: standard error that nobody reads holds up neither calls nor the end") {
  const OutputKind kind = GENERATE(OutputKind::kStuckPipe, OutputKind::kStuckSocket);
  CAPTURE(static_cast<int>(kind));
  for (const bool by_signal : {true, false}) {
    CAPTURE(by_signal);
    Daemon daemon({"--no-watch"}, with_error(kind));
    make_it_log(daemon);
    check_serves(daemon);
    if (by_signal) {
      daemon.signal(SIGTERM);
    } else {
      CHECK(daemon.run({"stop", "--now"}).exit == 0);
    }
    CHECK(daemon.program().wait() == 0);
  }
}

TEST_CASE("tenon serve: standard error that is full, closed or left does not end it") {
  for (const OutputKind kind : {OutputKind::kFullDevice, OutputKind::kClosed, OutputKind::kBrokenPipe}) {
    CAPTURE(static_cast<int>(kind));
    Daemon daemon({"--no-watch"}, with_error(kind));
    make_it_log(daemon);
    check_serves(daemon);
    CHECK(daemon.run({"stop"}).exit == 0);
    CHECK(daemon.program().wait() == 0);
  }
}

TEST_CASE("tenon serve: results that nobody reads hold up nothing, and are said to be lost") {
  const TemporaryDirectory directory;
  const std::filesystem::path file = directory / "numbers.toml";
  std::ofstream(file) << numbers_pipeline("numbers", 10, 0);
  ProgramOptions options;
  options.output = OutputKind::kStuckPipe;
  Daemon daemon({"--no-watch", file.string()}, options);
  CHECK(eventually([&] { return daemon.json({"status"})["pipelines"][0]["state"] == "done"; }));
  check_serves(daemon);
  CHECK(daemon.run({"stop"}).exit == 0);
  CHECK(daemon.program().wait() == 1);
  CHECK(has(daemon.program().error(), "standard output is not read"));
}

TEST_CASE("tenon serve: results that cannot be written are a failure at its end") {
  const TemporaryDirectory directory;
  const std::filesystem::path file = directory / "numbers.toml";
  std::ofstream(file) << numbers_pipeline("numbers", 10, 0);
  ProgramOptions options;
  options.output = OutputKind::kFullDevice;
  Daemon daemon({"--no-watch", file.string()}, options);
  CHECK(eventually([&] { return daemon.json({"status"})["pipelines"][0]["state"] == "done"; }));
  CHECK(daemon.run({"stop"}).exit == 0);
  CHECK(daemon.program().wait() == 1);
  CHECK(has(daemon.program().error(), "No space left"));
}

TEST_CASE("tenon status: ends by a signal though nobody reads what it writes") {
  Daemon daemon({"--no-watch"});
  ProgramOptions options;
  options.output = OutputKind::kStuckPipe;
  Program status({"status", "--socket", daemon.socket()}, options);
  status.wait_until_ready();
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  status.interrupt();
  CHECK(status.wait() == 130);
  Program stuck({"status", "--socket", daemon.socket()}, options);
  stuck.wait_until_ready();
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  ::kill(stuck.pid(), SIGTERM);
  CHECK(stuck.wait() == 130);
  check_serves(daemon);
}
