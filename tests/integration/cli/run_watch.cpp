// A pipeline of the command line whose plugin changes while it runs.
#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

#include <nlohmann/json.hpp>

#include "program.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/paths.hpp"
#include "tenon_test/temporary_directory.hpp"
#include "tenon_test/text.hpp"

using tenon::test::has;

namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using tenon::test::Program;
using tenon::test::ProgramOptions;

constexpr std::uint64_t kCount = 2500;

/// A pipeline with a copy of the plugin `probe` (tests/integration/swap/plugins), which a test may
/// replace.
class Probe {
 public:
  Probe() {
    fs::create_directory(plugins());
    put("probe_1");
    std::ofstream(pipeline()) << "[pipeline]\nname = \"ticks\"\n"
                                 "[plugins.probe]\nversion = \"<1.2\"\n"
                                 "[sources.ticks]\ntask = \"probe.count\"\n"
                                 "args = { count = "
                              << kCount
                              << ", interval_ms = 2 }\n"
                                 "[stages.pass]\ntask = \"probe.pass\"\ninputs = [\"ticks\"]\n"
                                 "[sinks.total]\ntask = \"probe.total\"\ninputs = [\"pass\"]\n";
  }

  [[nodiscard]] fs::path plugins() const { return directory_ / "plugins"; }
  [[nodiscard]] fs::path store() const { return directory_ / "store"; }
  [[nodiscard]] std::string pipeline() const { return (directory_ / "ticks.toml").string(); }
  [[nodiscard]] std::vector<std::string> run(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> words = {"run", pipeline(), "--plugin-dir", plugins().string(), "--workers", "2"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }

  /// Replaces the file as a build does: writes a new file beside it and renames it.
  void replace(std::string_view bytes) const {
    const fs::path beside = plugins() / "probe.so.new";
    std::ofstream(beside, std::ios::binary) << bytes;
    fs::rename(beside, plugins() / "probe.so");
  }
  void put(std::string_view variant) const {
    std::ifstream file(tenon::test::build_dir() / "tests" / "swap_plugins" / variant / "probe.so", std::ios::binary);
    REQUIRE(file.is_open());
    replace(std::string(std::istreambuf_iterator<char>(file), {}));
  }

 private:
  tenon::test::TemporaryDirectory directory_;
};

/// Returns the first line that contains `part`; empty if there is none.
std::string line_with(const std::string& text, const std::string& part) {
  const std::size_t at = text.find(part);
  if (at == std::string::npos) {
    return {};
  }
  const std::size_t before = text.rfind('\n', at);
  const std::size_t begin = before == std::string::npos ? 0 : before + 1;
  return text.substr(begin, text.find('\n', at) - begin);
}

ProgramOptions on_terminal() {
  ProgramOptions options;
  options.terminal = true;
  return options;
}

/// Returns whether a worker of `host` has loaded the plugin; the process that only inspects it does
/// not count.
bool runs_plugin(pid_t host) {
  const auto text_of = [](const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    return std::string{std::istreambuf_iterator<char>(in), {}};
  };
  std::error_code failed;
  for (fs::directory_iterator thread("/proc/" + std::to_string(host) + "/task", failed), end; !failed && thread != end;
       thread.increment(failed)) {
    std::istringstream children(text_of((thread->path() / "children").string()));
    for (std::string child; children >> child;) {
      const std::string process = "/proc/" + child;
      if (!has(text_of(process + "/cmdline"), "--inspect") && has(text_of(process + "/maps"), "/probe.so")) {
        return true;
      }
    }
  }
  return false;
}

void check_total(const json& total) {
  CHECK(total["count"] == kCount);
  CHECK(total["sum"] == kCount * (kCount + 1) / 2);
}

}  // namespace

TEST_CASE("tenon run --watch: a new version takes over in mid-run, one that is not fit is refused") {
  const Probe probe;
  Program program(probe.run({"--watch", "--store", probe.store().string(), "--json"}), on_terminal());
  REQUIRE(program.wait_for_error(" items"));

  probe.replace("no plugin at all");
  CHECK(program.wait_for_error("refused: "));
  probe.put("probe_2");
  CHECK(program.wait_for_error(": switched"));
  probe.put("probe_3");
  CHECK(program.wait_for_error("outside the version pin"));

  const int exit = program.wait();
  const std::string error = program.error();
  CAPTURE(error);
  CHECK(exit == 0);
  CHECK(has(line_with(error, "refused: "), "probe 1.0.0"));  // This version keeps running.
  CHECK(has(line_with(error, "refused: "), "the file is tried again when it changes"));
  CHECK(has(line_with(error, ": switched"), "tenon: probe 1.0.0 -> 1.1.0 (sha256 "));
  CHECK(has(line_with(error, "outside the version pin"), "<1.2"));
  CHECK_FALSE(has(error, "swap: "));  // Each event is reported once.

  REQUIRE(json::accept(program.output()));
  const json report = json::parse(program.output());
  CHECK(report["end"] == "done");
  REQUIRE(report["outputs"].size() == 1);
  const json& total = report["outputs"][0]["value"];
  check_total(total);
  CHECK(total["stages"] == 0b110);  // Both versions took part.
  std::vector<std::string> kinds;
  std::vector<std::string> versions;
  for (const json& swap : report["swaps"]) {
    kinds.push_back(swap["kind"]);
    versions.push_back(swap["version"]);
    CHECK(swap["plugin"] == "probe");
    CHECK_FALSE(swap["message"].get<std::string>().empty());
  }
  CHECK(kinds == std::vector<std::string>{"refused", "switched", "refused"});
  CHECK(versions == std::vector<std::string>{"", "1.1.0", "1.2.0"});
  REQUIRE(report["swaps"].size() == 3);
  CHECK(report["swaps"][1]["sha256"].get<std::string>().size() == 64);
  CHECK_FALSE(fs::is_empty(probe.store()));
}

TEST_CASE("tenon run --watch: --quiet tells what was refused, not what went well") {
  const Probe probe;
  Program program(probe.run({"--watch", "--store", probe.store().string(), "--quiet"}));
  // Before that, the run might start with the present content of the file, which must be valid.
  while (program.running() && !runs_plugin(program.pid())) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  // The start of the watch is not announced: until it reports a file, each attempt writes another
  // content.
  for (int attempt = 0; attempt < 200 && !has(program.error(), "refused: "); ++attempt) {
    std::this_thread::sleep_for(std::chrono::milliseconds(150));
    probe.replace("no plugin, attempt " + std::to_string(attempt));
  }
  probe.put("probe_2");
  const int exit = program.wait();
  const std::string error = program.error();
  CAPTURE(error);
  CHECK(exit == 0);
  CHECK(has(error, "refused: "));
  CHECK_FALSE(has(error, "switched"));
  REQUIRE(json::accept(program.output()));
  const json total = json::parse(program.output());
  check_total(total);
  CHECK(total["stages"] == 0b110);
}

TEST_CASE("tenon run: --store is wrong usage without --watch") {
  const Probe probe;
  const auto ended = tenon::test::tenon(probe.run({"--store", probe.store().string()}));
  CHECK(ended.exit == 2);
  CHECK(has(ended.error, "--watch"));
}
