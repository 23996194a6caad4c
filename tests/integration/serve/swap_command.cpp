// The arguments and the output of the commands for the plugins of a daemon.
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "probe_daemon.hpp"
#include "tenon_test/catch.hpp"

using namespace tenon::test;
namespace fs = std::filesystem;

namespace {

/// A daemon with a copy of the plugin "probe", version 1.0.0, that a test may replace.
struct OwnProbe {
  TemporaryDirectory directory;
  fs::path file = directory / "plugins" / "probe.so";
  std::unique_ptr<Daemon> daemon;

  OwnProbe() {
    fs::create_directory(file.parent_path());
    put("probe_1");
    daemon = std::make_unique<Daemon>(std::vector<std::string>{"--no-watch", "--store", (directory / "store").string(),
                                                               "--plugin-dir", file.parent_path().string()});
  }
  void put(const std::string& variant) const {
    fs::copy_file(probe(variant), directory / "new");
    fs::rename(directory / "new", file);
  }
  void kill_and_start_again() const {
    daemon->signal(SIGKILL);
    daemon->start_again();
  }
  /// Swaps in a version whose first call crashes, and waits until it is in quarantine and 1.0.0 is
  /// back.
  void quarantine_by_crash() const;
};

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

void OwnProbe::quarantine_by_crash() const {
  put("crash_call");
  REQUIRE(daemon->run({"swap", "probe", "--probation", "1h"}).exit == 0);
  CHECK(daemon->run({"call", "probe.tag_once", "{}"}).exit == 1);
  REQUIRE(eventually([&] { return plugin_status(*daemon, "probe")["version"] == "1.0.0"; }));
}

std::string note(const Daemon& daemon) {
  return plugin_status(daemon, "probe").value("note", std::string());
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

TEST_CASE("tenon status: a plugin whose file is in quarantine cannot be used, and why, until it is lifted") {
  const OwnProbe first;
  first.quarantine_by_crash();
  const std::string store = (first.directory / "store").string();
  Daemon other({"--no-watch", "--store", store, "--plugin-dir", first.file.parent_path().string()});
  const auto problem = [&] { return plugin_status(other, "probe")["problem"].get<std::string>(); };
  CHECK(has(problem(), "in quarantine"));
  CHECK(has(problem(), "turned back by its probation"));
  const std::string told = "of '" + first.file.string() + "' is not loaded: this content is in quarantine";
  CHECK(has(other.run({"events"}).output, told));
  CHECK(eventually([&] { return has(other.program().error(), told); }));

  const Ended lifted = other.run({"quarantine", "lift", "probe"});
  CHECK(lifted.exit == 0);
  CHECK(has(lifted.output, "may be loaded again by all programs"));
  CHECK_FALSE(has(problem(), "in quarantine"));
  CHECK(has(problem(), "'tenon swap probe' makes it current"));
  CHECK(other.json({"swap", "probe"})["now"]["version"] == "1.9.0");
  CHECK(plugin_status(other, "probe").value("problem", "").empty());
}

TEST_CASE("tenon status: after a quarantine or a roll-back is lifted it tells the truth at once") {
  const OwnProbe probe;
  const Daemon& daemon = *probe.daemon;
  std::string kept_out;
  SECTION("a roll-back") {
    probe.put("probe_2");
    REQUIRE(daemon.run({"swap", "probe"}).exit == 0);
    REQUIRE(daemon.run({"rollback", "probe", "--reason", "too dark"}).exit == 0);
    kept_out = "rolled back from";
  }
  SECTION("a quarantine") {
    probe.quarantine_by_crash();
    kept_out = "in quarantine";
  }
  CHECK(has(note(daemon), kept_out));
  // The refusal is not remembered longer than its cause.
  CHECK(daemon.run({"swap", "probe"}).exit == 1);
  CHECK(has(note(daemon), kept_out));
  REQUIRE(daemon.run({"quarantine", "lift", "probe"}).exit == 0);
  CHECK_FALSE(has(note(daemon), kept_out));
  CHECK_FALSE(has(note(daemon), "refused"));
  CHECK(has(note(daemon), "'tenon swap probe' makes it current"));
  REQUIRE(daemon.run({"swap", "probe"}).exit == 0);
  CHECK(note(daemon).empty());
}

TEST_CASE("tenon swap --force: a file in quarantine becomes current by its path only, with a warning") {
  const OwnProbe probe;
  Daemon& daemon = *probe.daemon;
  probe.quarantine_by_crash();
  const Ended by_name = daemon.run({"swap", "probe", "--force"});
  CHECK(by_name.exit == 1);
  CHECK(has(by_name.error, "in quarantine"));
  const Ended forced = daemon.run({"swap", probe.file.string(), "--force", "--probation", "0s"});
  INFO(forced.output << forced.error);
  CHECK(forced.exit == 0);
  CHECK(has(forced.output, "overridden: this content is in quarantine since"));
  CHECK(has(forced.output, "turned back by its probation"));
  CHECK(has(daemon.run({"events"}).output, "a quarantine or roll-back overridden"));
  CHECK(plugin_status(daemon, "probe")["version"] == "1.9.0");
  // It stays so over a restart, and the others are still warned.
  probe.kill_and_start_again();
  CHECK(plugin_status(daemon, "probe")["version"] == "1.9.0");
  CHECK(has(daemon.run({"quarantine", "list"}).output, "turned back by its probation"));
}

TEST_CASE("tenon serve: a file in quarantine is named with what is served in its place, after a restart too") {
  const OwnProbe probe;
  Daemon& daemon = *probe.daemon;
  probe.quarantine_by_crash();
  const std::string held = "'" + probe.file.string() + "' holds another content";
  CHECK(has(note(daemon), held));
  CHECK(has(note(daemon), "probe 1.0.0"));
  CHECK(has(daemon.run({"events"}).output, "quarantined  probe 1.9.0"));
  CHECK(eventually([&] { return has(daemon.program().error(), "this content will not be loaded again"); }));

  probe.kill_and_start_again();
  CHECK(plugin_status(daemon, "probe")["version"] == "1.0.0");
  CHECK(has(note(daemon), held));
  const std::string told = "of '" + probe.file.string() + "' is not loaded: this content is in quarantine";
  const std::string events = daemon.run({"events"}).output;
  CHECK(has(events, told));
  CHECK(has(events, "served before, is served again"));
  CHECK(eventually([&] { return has(daemon.program().error(), told); }));
}

TEST_CASE("tenon serve: a version that its trial accepted is current again after kill -9") {
  const OwnProbe probe;
  Daemon& daemon = *probe.daemon;
  probe.put("probe_2");
  Program swap(
      {"swap", "probe", "--canary", "100%", "--canary-calls", "2", "--canary-time", "1h", "--socket", daemon.socket()});
  CHECK(eventually([&] { return daemon.run({"call", "probe.tag", "{}"}).exit == 0 && !swap.running(); }));
  INFO(swap.output() << swap.error());
  REQUIRE(swap.wait() == 0);
  CHECK(has(swap.output(), "tried "));
  probe.put("probe_3");  // No daemon has decided about this one.
  probe.kill_and_start_again();
  CHECK(plugin_status(daemon, "probe")["version"] == "1.1.0");
  CHECK(daemon.json({"call", "probe.tag", "{}"})["version"] == 2);
}

TEST_CASE("tenon swap --force, tenon inspect: a library of a plugin makes another version") {
  const TemporaryDirectory directory;
  const fs::path variants = build_dir() / "tests" / "swap_plugins";
  const fs::path plugin = directory / "speaker.so";
  const fs::path words = directory / "lib" / "deep" / "libwords.so";
  fs::create_directories(words.parent_path());
  fs::copy_file(variants / "speaker" / "speaker.so", plugin);
  fs::copy_file(variants / "speech" / "libspeech.so", directory / "lib" / "libspeech.so");
  const auto put = [&](const std::string& content) {
    fs::copy_file(variants / ("words_" + content) / "libwords.so", directory / "new");
    fs::rename(directory / "new", words);
  };
  put("first");
  const Daemon daemon(
      {"--no-watch", "--store", (directory / "store").string(), "--plugin-dir", directory.path().string()});
  const auto says = [&](const std::string& text) {
    return has(daemon.run({"call", "speaker.say", "{}"}).output, "\"" + text + "\"");
  };
  const auto inspected = [&] {
    const Ended ended = tenon::test::tenon({"inspect", "speaker", "--json", "--plugin-dir", directory.path().string()});
    INFO(ended.error);
    REQUIRE(ended.exit == 0);
    return nlohmann::json::parse(ended.output);
  };
  CHECK(says("first"));
  const nlohmann::json before = inspected();
  put("second");
  CHECK(says("first"));
  const nlohmann::json after = inspected();
  CHECK(before["sha256"] != after["sha256"]);
  const auto hash_of = [](const nlohmann::json& plugin_info, const std::string& name) {
    for (const auto& library : plugin_info["libraries"]) {
      if (library["name"] == name) {
        return library["sha256"].get<std::string>();
      }
    }
    return std::string();
  };
  CHECK(hash_of(before, "libwords.so").size() == 64);
  CHECK(hash_of(before, "libwords.so") != hash_of(after, "libwords.so"));
  CHECK(hash_of(before, "libspeech.so") == hash_of(after, "libspeech.so"));
  const Ended swapped = daemon.run({"swap", plugin.string(), "--force"});
  INFO(swapped.output << swapped.error);
  CHECK(swapped.exit == 0);
  CHECK_FALSE(has(swapped.output, "nothing was swapped"));
  CHECK(says("second"));
}
