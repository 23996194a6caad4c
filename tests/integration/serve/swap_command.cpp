// The arguments and the output of the commands for the plugins of a daemon.
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "probe_daemon.hpp"
#include "tenon_test/catch.hpp"

using namespace tenon::test;
namespace fs = std::filesystem;

namespace {

/// Returns the status of a plugin in the daemon.
nlohmann::json plugin_status(const Daemon& daemon, const std::string& name) {
  const nlohmann::json status = daemon.json({"status"});
  for (const auto& plugin : status["plugins"]) {
    if (plugin["name"] == name) {
      return plugin;
    }
  }
  FAIL("there is no plugin " << name << " in " << status.dump());
  return {};
}

std::string plugin_file(const Daemon& daemon, const std::string& name) {
  return plugin_status(daemon, name)["file"].get<std::string>();
}

}  // namespace

TEST_CASE("tenon swap: a file is one of the client's working directory, with and without a slash") {
  const Daemon daemon;
  const std::string file = "'" + (fs::current_path() / "nowhere.so").string() + "'";
  for (const char* what : {"nowhere.so", "./nowhere.so", "a/../nowhere.so"}) {
    const Ended ended = daemon.run({"swap", what});
    INFO(ended.error);
    CHECK(ended.exit == 2);
    CHECK(has(ended.error, "there is no file " + file));
  }
}

TEST_CASE("tenon swap: what the file holds already is not swapped, and that is said") {
  const ProbeDaemon daemon;
  const Ended same = daemon->run({"swap", "probe"});
  INFO(same.error);
  CHECK(same.exit == 0);
  CHECK(same.output.starts_with("probe 1.0.0 (sha256:"));
  CHECK(has(same.output, "nothing was swapped"));
  CHECK(daemon->json({"swap", probe("probe_2")})["swapped"] == true);
  CHECK(daemon->json({"swap", probe("probe_2")})["swapped"] == false);
}

TEST_CASE("tenon swap: a trial ends after the time or the calls that were asked for") {
  const ProbeDaemon daemon;
  const Ended timed = daemon->run({"swap", probe("probe_2"), "--canary", "5%", "--canary-time", "100ms"});
  INFO(timed.error);
  CHECK(timed.exit == 0);
  CHECK(has(timed.output, ", tried 0 calls in "));
  CHECK(has(timed.output, ": inconclusive"));

  // The same code with another file content, which gives the same results.
  const TemporaryDirectory directory;
  const fs::path other = directory / "tenon.so";
  fs::copy_file(plugin_file(*daemon, "tenon"), other);
  // A copy from the store is read-only.
  fs::permissions(other, fs::perms::owner_write, fs::perm_options::add);
  REQUIRE(static_cast<bool>(std::ofstream(other, std::ios::app) << "another"));
  Program counted(
      {"swap", other.string(), "--shadow", "--canary-calls", "2", "--canary-time", "1h", "--socket", daemon->socket()});
  // The first calls may run before the trial.
  CHECK(eventually([&] {
    return daemon->run({"call", "tenon.echo", R"({"data": "aGVsbG8="})"}).exit == 0 && !counted.running();
  }));
  INFO(counted.output() << counted.error());
  CHECK(counted.wait() == 0);
  CHECK(has(counted.output(), "calls on both versions in "));
  CHECK(has(counted.output(), ": all compared results are equal"));
}

TEST_CASE("tenon swap: probation is as long as it was asked for") {
  const ProbeDaemon daemon;
  // Every call of this version crashes.
  const auto crashes = [&](const std::string& probation) {
    REQUIRE(daemon->run({"swap", probe("crash_call"), "--probation", probation}).exit == 0);
    CHECK(daemon->run({"call", "probe.tag_once", "{}"}).exit == 1);
  };
  const auto current = [&] { return plugin_status(*daemon, "probe")["version"].get<std::string>(); };
  crashes("0s");
  CHECK(current() == "1.9.0");
  REQUIRE(daemon->run({"swap", probe("probe_1")}).exit == 0);
  crashes("1h");
  CHECK(eventually([&] { return current() == "1.0.0"; }));
}

// Follows the description in SERVE.md.
TEST_CASE("tenon rollback: it outlives the daemon, binds that one only, and ends with its record or by force") {
  const TemporaryDirectory directory;
  const fs::path store = directory / "store";
  Daemon daemon(probe_arguments(store));
  const std::string sha256 = daemon.json({"swap", probe("probe_2")})["now"]["sha256"];
  REQUIRE(daemon.run({"rollback", "probe", "--reason", "too dark"}).exit == 0);
  CHECK(has(daemon.run({"events"}).output, "quarantined  probe 1.1.0"));
  const auto refused = [&] {
    const nlohmann::json ended = daemon.json({"swap", probe("probe_2")});
    CHECK(has(ended.dump(), "too dark"));
    CHECK(has(ended.dump(), "--force"));
  };
  refused();
  const Daemon other(probe_arguments(store));
  CHECK(other.json({"swap", probe("probe_2")})["now"]["version"] == "1.1.0");
  daemon.start_again();
  CHECK(plugin_status(daemon, "probe")["version"] == "1.0.0");
  refused();
  SECTION("by force") {
    const Ended forced = daemon.run({"swap", probe("probe_2"), "--force"});
    INFO(forced.error);
    CHECK(forced.exit == 0);
    CHECK(has(forced.output, "overridden: "));
    CHECK(has(forced.output, "too dark"));
  }
  SECTION("lifted, by plugin or by hash") {
    CHECK(has(daemon.run({"quarantine", "list"}).output, "too dark"));
    CHECK(has(daemon.run({"quarantine", "show", sha256.substr(0, 8)}).output, sha256));
    const Ended unknown = daemon.run({"quarantine", "lift", "prob"});
    CHECK(unknown.exit == 2);
    CHECK(has(unknown.error, "did you mean 'probe'"));
    CHECK(daemon.run({"quarantine", "lift", "probe"}).exit == 0);
    CHECK(has(daemon.run({"quarantine", "list"}).output, "nothing is in quarantine"));
    CHECK(daemon.json({"swap", probe("probe_2")})["now"]["version"] == "1.1.0");
  }
}

TEST_CASE("tenon serve: what was swapped in is served again after kill -9, and status and log say why") {
  const TemporaryDirectory directory;
  Daemon daemon(probe_arguments(directory / "store"));
  REQUIRE(daemon.run({"swap", probe("probe_2")}).exit == 0);
  daemon.signal(SIGKILL);
  daemon.start_again();
  const nlohmann::json plugin = plugin_status(daemon, "probe");
  CHECK(plugin["version"] == "1.1.0");
  CHECK(plugin["source"] == probe("probe_2"));
  CHECK(has(plugin["note"].dump(), "another content"));
  CHECK(has(plugin["note"].dump(), probe("probe_2")));
  CHECK(has(daemon.run({"events"}).output, "restored"));
  CHECK(eventually([&] { return has(daemon.program().error(), "restored: "); }));
  CHECK(daemon.json({"call", "probe.tag_once", "{}"}).dump().find("error") == std::string::npos);
  REQUIRE(daemon.run({"rollback", "probe", "--reason", "too dark"}).exit == 0);
  daemon.signal(SIGKILL);
  daemon.start_again();
  CHECK(plugin_status(daemon, "probe")["version"] == "1.0.0");
}

TEST_CASE("tenon status: a plugin whose file is in quarantine cannot be used, and why") {
  const TemporaryDirectory directory;
  const fs::path store = directory / "store";
  const Daemon daemon(probe_arguments(store));
  REQUIRE(daemon.run({"swap", probe("crash_call"), "--probation", "1h"}).exit == 0);
  CHECK(daemon.run({"call", "probe.tag_once", "{}"}).exit == 1);
  CHECK(eventually([&] { return plugin_status(daemon, "probe")["version"] == "1.0.0"; }));
  const Daemon other(
      {"--no-watch", "--store", store.string(), "--plugin-dir", fs::path(probe("crash_call")).parent_path().string()});
  CHECK(has(plugin_status(other, "probe")["problem"].dump(), "turned back by its probation"));
}
