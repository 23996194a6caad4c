#include "pipeline/quantity.hpp"

#include <chrono>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/plugin_limits.hpp"
#include "pipeline/version_pin.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/temporary_directory.hpp"

namespace tenon::internal {

TEST_CASE("parse_duration: numbers with a unit") {
  const std::vector<std::pair<std::string, std::int64_t>> good = {{"0s", 0},
                                                                  {"10ns", 10},
                                                                  {"10us", 10'000},
                                                                  {"200ms", 200'000'000},
                                                                  {"5s", 5'000'000'000},
                                                                  {"1.5m", 90'000'000'000},
                                                                  {"1h", 3'600'000'000'000},
                                                                  {"1d", 86'400'000'000'000}};
  for (const auto& [text, nanoseconds] : good) {
    INFO(text);
    REQUIRE(parse_duration(text));
    CHECK(parse_duration(text)->count() == nanoseconds);
  }
  for (const char* bad : {"", "5", "s", "-5s", "+5s", "5 s", "5S", "1e3s", "inf", "nan", "1..5s", "5sec", "99999999d",
                          "1m30s", " 5s", "0x5s"}) {
    INFO(bad);
    REQUIRE_FALSE(parse_duration(bad));
    CHECK(parse_duration(bad).error().code == ErrorCode::kInvalidArgument);
  }
}

TEST_CASE("parse_size: powers of 1024 with an i, of 1000 without") {
  const std::vector<std::pair<std::string, std::uint64_t>> good = {
      {"0B", 0}, {"512B", 512}, {"64KiB", 65536}, {"1kB", 1000}, {"10MB", 10'000'000}, {"1.5GiB", 1610612736}};
  for (const auto& [text, bytes] : good) {
    INFO(text);
    REQUIRE(parse_size(text));
    CHECK(*parse_size(text) == bytes);
  }
  for (const char* bad : {"", "64", "KiB", "-1B", "1 KiB", "1kib", "9999999TiB", "1e3B"}) {
    INFO(bad);
    CHECK_FALSE(parse_size(bad));
  }
}

TEST_CASE("VersionPin: which versions it accepts") {
  struct Case {
    const char* pin;
    const char* version;
    bool accepted;
  };
  for (const Case& one : {Case{"1.*", "1.0.0", true}, Case{"1.*", "1.9.3", true}, Case{"1.*", "2.0.0", false},
                          Case{"1.2.*", "1.2.9", true}, Case{"1.2.*", "1.3.0", false}, Case{"1.2.3", "1.2.3", true},
                          Case{"1.2.3", "1.2.4", false}, Case{"1", "1.5.0", true}, Case{">=1.2", "1.2.0", true},
                          Case{">=1.2", "1.1.9", false}, Case{">=1.2, <2", "1.9.9", true},
                          Case{">=1.2,<2", "2.0.0", false}, Case{"> 1", "1.0.1", true}, Case{"<=1.2.3", "1.2.3", true},
                          Case{"*", "", true}, Case{"1.*", "", false}, Case{"1.*", "1.2.0-rc1", true}}) {
    INFO(one.pin << " and " << one.version);
    const auto pin = VersionPin::parse(one.pin);
    REQUIRE(pin);
    CHECK(pin->accepts(one.version) == one.accepted);
  }
  for (const char* bad : {"", "x", "1.", ".1", "1.2.3.4", ">=1.*", "1.*.3", ">=", "1,", "~1", "1.-2"}) {
    INFO(bad);
    CHECK_FALSE(VersionPin::parse(bad));
  }
}

TEST_CASE("read_plugin_limits: what a file gives, over what is usual") {
  const test::TemporaryDirectory directory;
  const std::filesystem::path file = directory / "a.toml";
  std::ofstream(file) << "[plugins.slow]\nstart_timeout = \"2m\"\n[plugins.large]\nmemory = \"128GiB\"\n"
                         "[plugins.usual]\nversion = \"1.*\"\n[plugins.wrong]\nstart_timeout = 5\n";
  PluginLimits usual;
  usual.start_timeout = std::chrono::seconds(10);
  const auto limits = read_plugin_limits(file, {}, usual);
  REQUIRE(limits.size() == 2);
  CHECK(limits.at("slow").start_timeout == std::chrono::minutes(2));
  CHECK(limits.at("slow").memory_bytes == usual.memory_bytes);
  CHECK(limits.at("large").start_timeout == std::chrono::seconds(10));
  CHECK(limits.at("large").memory_bytes == std::uint64_t{128} << 30);

  LoadOptions options;
  options.overrides = {{"plugins.slow.start_timeout", "\"3m\""}};
  const auto changed = read_plugin_limits(file, options, usual);
  CHECK(changed.at("slow").start_timeout == std::chrono::minutes(3));
  CHECK(read_plugin_limits(directory / "missing.toml", {}, usual).empty());
}

}  // namespace tenon::internal
