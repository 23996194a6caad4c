// Calls over the socket.
#include <signal.h>

#include "daemon.hpp"
#include "tenon_test/catch.hpp"

using namespace tenon::test;

TEST_CASE("tenon call --socket: plain tasks, sources and reduces answer as without a daemon") {
  Daemon daemon;
  const Ended echo = daemon.run({"call", "tenon.echo", R"({"data": "aGVsbG8="})"});
  CAPTURE(echo.error);
  CHECK(echo.exit == 0);
  CHECK(nlohmann::json::parse(echo.output)["data"] == "aGVsbG8=");

  const Ended numbers = daemon.run({"call", "tenon.numbers", R"({"count": 200})"});
  CHECK(numbers.exit == 0);
  CHECK(std::count(numbers.output.begin(), numbers.output.end(), '\n') == 200);

  const Ended sum = daemon.run({"call", "tenon.sum", R"({"value": 1})", R"({"value": 41})"});
  CAPTURE(sum.error);
  CHECK(sum.exit == 0);
  CHECK(has(sum.output, "42"));
}

TEST_CASE("tenon call --socket: mistakes are told as without a daemon") {
  Daemon daemon;
  const Ended unknown = daemon.run({"call", "tenon.ecco", "{}"});
  CHECK(unknown.exit == 2);
  CHECK(has(unknown.error, "tenon.echo"));
  const Ended misspelt = daemon.run({"call", "tenon.echo", R"({"dada": ""})"});
  CHECK(misspelt.exit == 2);
  CHECK(has(misspelt.error, "argument:1:"));
  const Ended failed = daemon.run({"call", "tenon.fail", "{}", "--params", R"({"message": "so it is"})"});
  CHECK(failed.exit == 1);
  CHECK(has(failed.error, "so it is"));
  const Ended crashed = daemon.run({"call", "tenon.fail", "{}", "--params", R"({"mode": "abort"})"});
  CHECK(crashed.exit == 1);
  CHECK(daemon.json({"status"})["state"] == "serving");
}

TEST_CASE("tenon call --socket: a call ends with its client, killed or interrupted") {
  Daemon daemon;
  const auto running = [&] { return daemon.json({"status"})["calls"]["running"].get<int>(); };
  for (const int number : {SIGKILL, SIGINT}) {
    Program client({"call", "tenon.sleep", R"({"duration_ms": 600000})", "--socket", daemon.socket()});
    REQUIRE(eventually([&] { return running() == 1; }));
    kill(client.pid(), number);
    CHECK(client.wait() == (number == SIGKILL ? 128 + SIGKILL : 130));
    CHECK(eventually([&] { return running() == 0; }));
  }
}
