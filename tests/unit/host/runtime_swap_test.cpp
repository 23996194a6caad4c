// Swaps of a runtime with real workers, and its errors if it cannot swap.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <flatbuffers/flatbuffers.h>
#include <tenon/runtime.hpp>

#include <tenon_test/catch.hpp>
#include <tenon_test/temporary_directory.hpp>

#include "tenon_test/paths.hpp"

using namespace tenon;
using namespace tenon::test;
namespace fs = std::filesystem;

namespace {

/// A directory with one version of the plugin "good".
struct Place {
  TemporaryDirectory directory;
  fs::path plugins = directory / "plugins";

  Place() {
    fs::create_directory(plugins);
    put("1.2.3");
  }
  void put(const std::string& version) const {
    std::ifstream stream(build_dir() / "tests" / "plugin_variants" / "good.so", std::ios::binary);
    std::string content(std::istreambuf_iterator<char>(stream), {});
    for (std::size_t at = content.find("1.2.3"); at != std::string::npos; at = content.find("1.2.3", at + 1)) {
      content.replace(at, version.size(), version);
    }
    std::ofstream(directory / "new", std::ios::binary | std::ios::trunc) << content;
    fs::rename(directory / "new", plugins / "good.so");
  }
  RuntimeOptions options() const {
    RuntimeOptions options;
    options.workers = 2;
    options.plugin_dirs = {plugins};
    options.cache_dir = directory / "cache";
    return options;
  }
};

Result<Reply> call(Runtime& runtime) {
  flatbuffers::FlatBufferBuilder argument;
  argument.Finish(flatbuffers::Offset<flatbuffers::Table>(argument.EndTable(argument.StartTable())));
  return runtime.call("good.echo", BytesView(argument.GetBufferPointer(), argument.GetSize()));
}

}  // namespace

TEST_CASE("Runtime: a plugin is swapped and rolled back while it is called") {
  const Place place;
  RuntimeOptions options = place.options();
  options.hot_swap.emplace().store_dir = place.directory / "store";
  auto runtime = Runtime::start(options);
  INFO((runtime ? "" : runtime.error().to_string()));
  REQUIRE(runtime);
  REQUIRE(call(*runtime));
  place.put("1.3.0");
  const auto report = runtime->swap("good");
  INFO((report ? "" : report.error().to_string()));
  REQUIRE(report);
  CHECK(report->now.version == "1.3.0");
  CHECK(runtime->catalog().find_plugin("good")->version == "1.3.0");
  REQUIRE(call(*runtime));
  const auto back = runtime->rollback("good", "a test");
  INFO((back ? "" : back.error().to_string()));
  REQUIRE(back);
  CHECK(runtime->catalog().find_plugin("good")->version == "1.2.3");
  REQUIRE(call(*runtime));
  CHECK(runtime->generations().size() == 2);
  CHECK_FALSE(runtime->events_since(0).empty());
  runtime->shutdown();
}

TEST_CASE("Runtime: without hot_swap it says what to do") {
  const Place place;
  auto runtime = Runtime::start(place.options());
  REQUIRE(runtime);
  const auto report = runtime->swap("good");
  REQUIRE_FALSE(report);
  CHECK(report.error().code == ErrorCode::kUnsupported);
  CHECK(report.error().message.find("RuntimeOptions::hot_swap") != std::string::npos);
  CHECK(runtime->rollback("good").error().code == ErrorCode::kUnsupported);
  CHECK(runtime->generations().empty());
}

TEST_CASE("Runtime: a store that cannot be used ends the start in words") {
  const Place place;
  RuntimeOptions options = place.options();
  std::ofstream(place.directory / "file") << "in the way";
  options.hot_swap.emplace().store_dir = place.directory / "file";
  const auto runtime = Runtime::start(options);
  REQUIRE_FALSE(runtime);
  CHECK(runtime.error().message.find("plugin store") != std::string::npos);
  options.hot_swap->swaps.canary_share = 2;
  CHECK(Runtime::start(options).error().code == ErrorCode::kInvalidArgument);
}
