// Calls over the socket.
#include <signal.h>

#include <filesystem>
#include <fstream>

#include "base/scope_guard.hpp"
#include "daemon.hpp"
#include "tenon_test/catch.hpp"

using namespace tenon::test;
using tenon::internal::ScopeGuard;
namespace fs = std::filesystem;

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

TEST_CASE("tenon call --socket: relative paths are those of the client's directory") {
  const Daemon daemon;
  const TemporaryDirectory own;
  const fs::path before = fs::current_path();
  const ScopeGuard back([&] { fs::current_path(before); });
  fs::current_path(own.path());
  const auto write = [](const fs::path& file, const std::string& text) { std::ofstream(file) << text; };
  write("note.txt", "mine");
  fs::create_directory("below");
  write("below/other.txt", "below mine");
  const auto size_of = [&](const std::string& path) {
    const Ended ended = daemon.run({"call", "text.count", R"({"path": ")" + path + R"("})"});
    INFO(ended.error);
    REQUIRE(ended.exit == 0);
    return nlohmann::json::parse(ended.output)["size_bytes"].get<std::size_t>();
  };
  CHECK(size_of("note.txt") == 4);
  CHECK(size_of("./below/../note.txt") == 4);
  CHECK(size_of((own.path() / "note.txt").string()) == 4);
  fs::current_path("below");
  CHECK(size_of("other.txt") == 10);
  CHECK(size_of("../note.txt") == 4);
  // A file inside an argument, and a file for a reduce.
  const Ended inventory =
      daemon.run({"call", "files.inventory",
                  R"({"file": {"path": "other.txt"}, "algorithm": "sha256", "value": "aGk=", "hex": "6869"})"});
  INFO(inventory.error);
  CHECK(inventory.exit == 0);
  CHECK(has(inventory.output, (own.path() / "below" / "other.txt").string()));
  // A missing file is named by the path that was searched.
  const Ended missing = daemon.run({"call", "text.count", R"({"path": "nowhere.txt"})"});
  CHECK(missing.exit == 1);
  CHECK(has(missing.error, (own.path() / "below" / "nowhere.txt").string()));
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
