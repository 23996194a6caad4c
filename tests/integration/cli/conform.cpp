// tenon conform: compares a plugin with a copy whose embedded schema has been changed.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <nlohmann/json.hpp>

#include "program.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/paths.hpp"
#include "tenon_test/temporary_directory.hpp"
#include "tenon_test/text.hpp"

using nlohmann::json;
using tenon::test::Ended;
using tenon::test::has;
using tenon::test::TemporaryDirectory;

namespace {

const std::filesystem::path kPlugins = tenon::test::build_dir() / "plugins";
const std::string kPlugin = (kPlugins / "tenon.so").string();

/// Returns a copy of the plugin `tenon` with every `before` replaced by `after`, which has the same
/// length.
std::string changed_copy(const TemporaryDirectory& directory, const std::string& before, const std::string& after) {
  std::ifstream in(kPlugin, std::ios::binary);
  std::string bytes(std::istreambuf_iterator<char>(in), {});
  REQUIRE(before.size() == after.size());
  REQUIRE(has(bytes, before));
  for (std::size_t at = bytes.find(before); at != std::string::npos; at = bytes.find(before, at + after.size())) {
    bytes.replace(at, before.size(), after);
  }
  const std::string file = (directory / "tenon.so").string();
  std::ofstream(file, std::ios::binary) << bytes;
  return file;
}

}  // namespace

TEST_CASE("tenon conform: a version conforms to itself") {
  const Ended ended = tenon::test::tenon({"conform", kPlugin, kPlugin});
  CAPTURE(ended.error);
  CHECK(ended.exit == 0);
  CHECK(ended.output == "tenon 1.0.0 conforms to 1.0.0\n");
  const Ended machine = tenon::test::tenon({"conform", kPlugin, kPlugin, "--json"});
  CHECK(machine.exit == 0);
  REQUIRE(json::accept(machine.output));
  CHECK(json::parse(machine.output)["conforms"] == true);
  CHECK(json::parse(machine.output)["breaks"].empty());
}

TEST_CASE("tenon conform: every break is told, and the exit code is 1") {
  const TemporaryDirectory directory;
  const std::string changed = changed_copy(directory, "duration_ms", "duration_us");
  const Ended ended = tenon::test::tenon({"conform", kPlugin, changed});
  CAPTURE(ended.error, ended.output);
  CHECK(ended.exit == 1);
  CHECK(has(ended.output,
            "argument of tenon.sleep: tenon.tasks.Sleep.duration_ms: 'duration_ms' became 'duration_us'; "
            "keep the name"));
  CHECK(has(ended.output, "tenon 1.0.0 has 1 break with 1.0.0\n"));

  const Ended machine = tenon::test::tenon({"conform", kPlugin, changed, "--json"});
  CHECK(machine.exit == 1);
  REQUIRE(json::accept(machine.output));
  const json report = json::parse(machine.output);
  CHECK(report["plugin"] == "tenon");
  CHECK(report["old"]["version"] == "1.0.0");
  CHECK(report["new"]["file"] == changed);
  CHECK(report["conforms"] == false);
  REQUIRE(report["breaks"].size() == 1);
  const json& found = report["breaks"][0];
  CHECK(found["task"] == "tenon.sleep");
  CHECK(found["subject"] == "argument");
  CHECK(found["place"] == "tenon.tasks.Sleep.duration_ms");
  CHECK(found["old"] == "'duration_ms'");
  CHECK(found["new"] == "'duration_us'");
  CHECK(!found["advice"].get<std::string>().empty());
}

TEST_CASE("tenon conform: what cannot be compared") {
  const TemporaryDirectory directory;
  const Ended missing = tenon::test::tenon({"conform", kPlugin, (directory / "nope.so").string()});
  CHECK(missing.exit == 2);
  CHECK(has(missing.error, "nope.so"));
  const std::string garbage = (directory / "tenon.so").string();
  std::ofstream(garbage) << "no plugin";
  const Ended broken = tenon::test::tenon({"conform", garbage, kPlugin});
  CHECK(broken.exit == 78);
  CHECK(has(broken.error, garbage));
  const Ended others = tenon::test::tenon({"conform", (kPlugins / "text.so").string(), kPlugin});
  CHECK(others.exit == 2);
  CHECK(has(others.error, "'text' and 'tenon' are different plugins"));
  CHECK(tenon::test::tenon({"conform", kPlugin}).exit == 2);
}
