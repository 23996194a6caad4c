// Plugins of a daemon that change.
#include <filesystem>

#include "daemon.hpp"
#include "tenon_test/catch.hpp"

using namespace tenon::test;

TEST_CASE("tenon generations: every plugin has one that is current") {
  Daemon daemon;
  const auto generations = daemon.json({"generations"})["generations"];
  bool current = false;
  for (const auto& generation : generations) {
    current = current || (generation["plugin"] == "tenon" && generation["state"] == "current");
  }
  CAPTURE(generations.dump());
  CHECK(current);
}

TEST_CASE("tenon swap, rollback: what cannot be is refused, and the old version goes on") {
  Daemon daemon;
  const Ended unknown = daemon.run({"swap", "tenom"});
  CHECK(unknown.exit == 2);
  CHECK(has(unknown.error, "tenom"));
  CHECK(daemon.run({"swap", "tenon@99.0.0"}).exit == 2);
  const Ended nothing = daemon.run({"rollback", "tenon"});
  CHECK(nothing.exit == 2);
  CHECK(daemon.run({"swap", "tenon", "--canary", "500%"}).exit == 2);
  const std::filesystem::path garbage = daemon.directory() / "tenon.so";
  std::filesystem::copy_file("/proc/self/cmdline", garbage);
  CHECK(daemon.run({"swap", garbage.string()}).exit != 0);
  CHECK(daemon.run({"call", "tenon.echo", "{}"}).exit == 0);
}

TEST_CASE("tenon events: follow until the daemon ends") {
  Daemon daemon;
  CHECK(daemon.run({"events"}).exit == 0);
  Program follower({"events", "--follow", "--json", "--socket", daemon.socket()});
  REQUIRE(eventually([&] { return daemon.json({"status"})["clients"] == 2; }));
  CHECK(daemon.run({"stop"}).exit == 0);
  CHECK(follower.wait() == 0);
}
