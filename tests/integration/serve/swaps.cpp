// Plugins of a daemon that change.
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "daemon.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/paths.hpp"

using namespace tenon::test;
namespace fs = std::filesystem;

namespace {

/// Returns a file of tests/integration/swap/plugins.
fs::path variant_file(const std::string& variant, const std::string& plugin = "probe") {
  return build_dir() / "tests" / "swap_plugins" / variant / (plugin + ".so");
}

/// A daemon with the plugin "probe" in version 1.0.0, and a pipeline with it that runs for days.
struct Served {
  TemporaryDirectory directory;
  std::unique_ptr<Daemon> daemon;

  explicit Served(unsigned interval_ms) {
    fs::create_directory(directory / "plugins");
    put("probe_1");
    std::ofstream(directory / "ticks.toml")
        << "[pipeline]\nname = \"ticks\"\n"
           "[sources.ticks]\ntask = \"probe.count\"\nargs = { count = 1000000000, interval_ms = "
        << interval_ms
        << " }\n"
           "[stages.pass]\ntask = \"probe.pass\"\ninputs = [\"ticks\"]\n"
           "[sinks.total]\ntask = \"probe.total\"\ninputs = [\"pass\"]\n";
    daemon = std::make_unique<Daemon>(std::vector<std::string>{(directory / "ticks.toml").string(), "--plugin-dir",
                                                               (directory / "plugins").string(), "--store",
                                                               (directory / "store").string(), "--no-watch"});
    REQUIRE(eventually([&] { return passed() > 0; }));
  }
  /// Puts a version where the daemon finds it by its name.
  void put(const std::string& variant) const {
    fs::copy_file(variant_file(variant), directory / "new");
    fs::rename(directory / "new", directory / "plugins" / "probe.so");
  }
  /// Returns how many items have passed the stage of the pipeline.
  [[nodiscard]] std::uint64_t passed() const {
    const auto status = daemon->json({"status"});
    for (const auto& stage : status["pipelines"][0]["stages"]) {
      if (stage["name"] == "pass") {
        return stage["items_out"].get<std::uint64_t>();
      }
    }
    return 0;
  }
  /// Returns the version that runs a call.
  [[nodiscard]] int answers() const {
    const Ended ended = daemon->run({"call", "probe.tag", "{}"});
    INFO(ended.error);
    REQUIRE(ended.exit == 0);
    return nlohmann::json::parse(ended.output)["version"].get<int>();
  }
  /// Returns the newest generation of a version.
  [[nodiscard]] nlohmann::json generation(const std::string& version) const {
    const auto all = daemon->json({"generations"});
    for (const auto& generation : all["generations"]) {
      if (generation["plugin"] == "probe" && generation["version"] == version) {
        return generation;
      }
    }
    return nlohmann::json::object();
  }
  /// Returns the message of the first event of a kind; empty if there is none.
  [[nodiscard]] std::string event(const std::string& kind) const {
    std::istringstream lines(daemon->run({"events", "--json"}).output);
    for (std::string line; std::getline(lines, line);) {
      const auto event = nlohmann::json::parse(line);
      if (event["kind"] == kind) {
        return event["message"].get<std::string>();
      }
    }
    return {};
  }
  /// Checks that the pipeline still runs and that none of its items has failed.
  void check_goes_on() const {
    const std::uint64_t before = passed();
    CHECK(eventually([&] { return passed() > before; }));
    const auto status = daemon->json({"status"});
    INFO(status.dump(1) << daemon->program().error());
    CHECK(status["pipelines"][0]["state"] == "running");
    CHECK(status["pipelines"][0]["failure_count"] == 0);
    CHECK(status["calls"]["failed"] == 0);
    CHECK(status["crashed_workers"] == 0);
  }
};

}  // namespace

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
  const fs::path garbage = daemon.directory() / "tenon.so";
  fs::copy_file("/proc/self/cmdline", garbage);
  CHECK(daemon.run({"swap", garbage.string()}).exit != 0);
  CHECK(daemon.run({"call", "tenon.echo", "{}"}).exit == 0);
}

TEST_CASE("tenon swap, rollback: calls and pipelines go on, and what comes after runs on the other version") {
  const Served served(5);
  CHECK(served.answers() == 1);
  Program slow({"call", "probe.sleep", R"({"duration_ms": 1500})", "--socket", served.daemon->socket()});

  served.put("probe_2");
  const Ended swapped = served.daemon->run({"swap", "probe"});
  INFO(swapped.output << swapped.error);
  REQUIRE(swapped.exit == 0);
  CHECK(has(swapped.output, "probe 1.0.0"));
  CHECK(has(swapped.output, "-> probe 1.1.0"));
  CHECK_FALSE(has(swapped.output, "tried"));
  CHECK(served.answers() == 2);
  CHECK(served.generation("1.1.0")["state"] == "current");
  CHECK(slow.wait() == 0);
  CHECK(eventually([&] { return served.generation("1.0.0")["state"] == "retired"; }));
  served.check_goes_on();

  const auto back = served.daemon->json({"rollback", "probe", "--reason", "too dark"});
  CHECK(back["now"]["version"] == "1.0.0");
  CHECK(back["before"]["version"] == "1.1.0");
  CHECK(served.answers() == 1);
  CHECK(served.generation("1.0.0")["state"] == "current");
  CHECK(served.generation("1.1.0")["reason"] == "too dark");
  CHECK(has(served.event("rolled_back"), "too dark"));
  CHECK(eventually([&] { return served.generation("1.1.0")["state"] == "retired"; }));
  served.check_goes_on();

  // It comes back neither by itself nor by its name; a third version may come.
  const Ended refused = served.daemon->run({"swap", "probe"});
  CHECK(refused.exit == 1);
  CHECK(has(refused.error, "too dark"));
  CHECK(served.daemon->json({"swap", variant_file("probe_3").string()})["now"]["version"] == "1.2.0");
  CHECK(served.answers() == 3);
  served.check_goes_on();
}

// The trials below end before they have enough calls to judge run times, which a busy machine may
// change.
TEST_CASE("tenon swap --canary: a share of a running pipeline's calls is tried, then all run on the new version") {
  const Served served(5);
  served.put("probe_2");
  Program swap({"swap", "probe", "--canary", "5%", "--canary-calls", "20", "--canary-time", "1h", "--json", "--socket",
                served.daemon->socket()});
  REQUIRE(eventually([&] { return served.generation("1.1.0").value("state", "") == "canary"; }));
  CHECK(has(served.event("canary"), "5 % of the calls of idempotent tasks run on it"));
  CHECK(served.generation("1.0.0")["state"] == "current");
  const int exit = swap.wait();
  INFO(swap.output() << swap.error());
  REQUIRE(exit == 0);
  const auto swapped = nlohmann::json::parse(swap.output());
  CHECK(swapped["now"]["version"] == "1.1.0");
  CHECK(swapped["now"]["state"] == "current");
  CHECK(swapped["now"]["calls"] >= 20);
  CHECK(swapped["nanoseconds"]["tried"] > 0);
  CHECK_FALSE(swapped.contains("untried"));
  CHECK(served.answers() == 2);
  served.check_goes_on();
}

TEST_CASE("tenon swap --shadow: calls of a running pipeline run twice, then on the new version") {
  const Served served(20);
  served.put("probe_1_again");  // It gives the same results as the first version.
  const Ended swapped =
      served.daemon->run({"swap", "probe", "--shadow", "--canary-calls", "20", "--canary-time", "1h"});
  INFO(swapped.output << swapped.error << served.daemon->run({"events"}).output);
  REQUIRE(swapped.exit == 0);
  CHECK(has(swapped.output, "calls on both versions in "));
  CHECK(has(swapped.output, "all compared results are equal"));
  CHECK(has(served.event("canary"), "100 % of the calls of idempotent tasks run on both versions"));
  // This is the newest generation of that version.
  CHECK(served.generation("1.0.0")["state"] == "current");
  CHECK(served.generation("1.0.0")["calls"] >= 20);
  CHECK(has(served.daemon->run({"call", "probe.tag", "{}"}).output, "of the second schema"));
  served.check_goes_on();
}

TEST_CASE("tenon swap --shadow: another result turns the version back, and the old one goes on") {
  const Served served(5);
  served.put("probe_2");
  const Ended refused = served.daemon->run({"swap", "probe", "--shadow"});
  INFO(refused.error);
  CHECK(refused.exit == 1);
  CHECK(has(refused.error, "turned back by its shadow run"));
  CHECK(has(refused.error, "passed: 1 became 2"));
  CHECK(served.answers() == 1);
  CHECK(served.generation("1.0.0")["state"] == "current");
  CHECK(served.generation("1.1.0")["state"] == "refused");
  CHECK(has(served.event("refused"), "turned back by its shadow run"));
  CHECK_FALSE(served.event("quarantined").empty());
  served.check_goes_on();
}

TEST_CASE("tenon swap --canary: one that can try no call says so") {
  const Served served(5);
  const Ended swapped = served.daemon->run({"swap", variant_file("shape_first", "shape").string(), "--canary", "5%"});
  INFO(swapped.output << swapped.error);
  CHECK(swapped.exit == 0);
  CHECK(has(swapped.output, "not tried on any call: it is the first version"));
  CHECK(has(served.event("canary"), "no canary: it is the first version"));
  const auto next = served.daemon->json({"swap", variant_file("unique_1", "unique").string(), "--shadow"});
  CHECK(has(next["untried"].get<std::string>(), "it is the first version"));
}

TEST_CASE("tenon events: follow until the daemon ends") {
  Daemon daemon;
  CHECK(daemon.run({"events"}).exit == 0);
  Program follower({"events", "--follow", "--json", "--socket", daemon.socket()});
  REQUIRE(eventually([&] { return daemon.json({"status"})["clients"] == 2; }));
  CHECK(daemon.run({"stop"}).exit == 0);
  CHECK(follower.wait() == 0);
}
