// Many clients, and idle clients.
#include <vector>

#include "daemon.hpp"
#include "platform/unix_socket.hpp"
#include "serve/protocol.hpp"
#include "tenon_test/catch.hpp"

using namespace tenon::test;
using namespace tenon::internal;

TEST_CASE("tenon serve: idle clients keep neither an operator nor callers out") {
  Daemon daemon({"--no-watch"});
  std::vector<FileDescriptor> idle;
  for (int i = 0; i < 150; ++i) {
    auto socket = connect_unix(daemon.socket(), deadline_after(std::chrono::seconds(60)));
    REQUIRE(socket);
    REQUIRE(send_some(*socket, *pack(make_hello("test"))));
    idle.push_back(std::move(*socket));
  }
  CHECK(daemon.json({"status"})["clients"] > 150);
  const Ended echo = daemon.run({"call", "tenon.echo", R"({"data": "aGVsbG8="})"});
  CAPTURE(echo.error);
  CHECK(echo.exit == 0);
  CHECK(daemon.run({"generations"}).exit == 0);
  CHECK(daemon.run({"stop", "--now"}).exit == 0);
}

TEST_CASE("tenon serve --max-clients: calls of further clients wait, commands do not") {
  Daemon daemon({"--no-watch", "--max-clients", "1"});
  Program first({"call", "tenon.sleep", R"({"duration_ms": 60000})", "--socket", daemon.socket()});
  CHECK(eventually([&] { return daemon.json({"status"})["calls"]["running"] == 1; }));
  Program second({"call", "tenon.echo", R"({"data": "aGVsbG8="})", "--socket", daemon.socket()});
  CHECK(eventually([&] { return daemon.json({"status"})["clients"] == 3; }));
  CHECK(daemon.json({"status"})["state"] == "serving");
  CHECK(second.running());
  first.interrupt();
  CHECK(first.wait() == 130);
  CHECK(second.wait() == 0);
  CHECK(has(second.output(), "aGVsbG8="));
}

TEST_CASE("tenon serve --max-clients: more than the process may have is refused with limit and remedy") {
  const TemporaryDirectory directory;
  ProgramOptions options;
  options.limit = "-n 256";
  const Ended refused =
      tenon::test::tenon({"serve", "--socket", (directory / "socket").string(), "--max-clients", "65"}, options);
  CHECK(refused.exit == 1);
  CHECK(has(refused.error, "this process may open 256"));
  CHECK(has(refused.error, "ulimit -n"));
  CHECK(has(refused.error, "at most 64"));
}
