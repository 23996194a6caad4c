// Plugins built without tenon's flags: their inline variables are GNU-unique symbols, which exist
// once in a process, whatever versions of a library it loads.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "scene.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/runtime.hpp"
#include "unique_generated.h"

namespace {

using namespace tenon;        // NOLINT(google-build-using-namespace): a test
using namespace tenon::test;  // NOLINT(google-build-using-namespace): a test

unique::CountsT touch(Runtime& runtime) {
  flatbuffers::FlatBufferBuilder builder;
  builder.Finish(CreateEmpty(builder));
  const auto counts = runtime.call<unique::Counts>("unique.touch", builder);
  INFO((counts ? "" : counts.error().to_string()));
  REQUIRE(counts.has_value());
  unique::CountsT copy;
  (*counts)->UnPackTo(&copy);
  return copy;
}

std::string output_of(const std::string& command) {
  std::string output;
  FILE* pipe = ::popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  for (char buffer[4096]; std::fgets(buffer, sizeof buffer, pipe) != nullptr;) {
    output += buffer;
  }
  ::pclose(pipe);
  return output;
}

}  // namespace

TEST_CASE("Swap: versions with GNU-unique symbols of different layout do not touch each other's data") {
  // Otherwise this would test nothing.
  for (const char* variant : {"unique_1", "unique_2"}) {
    const std::string symbols = output_of("nm -DC " + variant_file(variant, "unique").string());
    CHECK(symbols.find(" u layouts::variable") != std::string::npos);
    CHECK(symbols.find(" u layouts::local()::shared") != std::string::npos);
  }
  TemporaryDirectory directory;
  std::filesystem::create_directory(directory / "plugins");
  std::filesystem::copy_file(variant_file("unique_1", "unique"), directory / "plugins" / "unique.so");
  // Only one worker, so that its counts increase by one each.
  RuntimeOptions options = runtime_options(1);
  options.plugin_dirs = {directory / "plugins"};
  options.cache_dir = directory / "cache";
  options.hot_swap.emplace();
  options.hot_swap->store_dir = directory / "store";
  auto started = Runtime::start(options);
  INFO((started ? "" : started.error().to_string()));
  REQUIRE(started.has_value());
  Runtime& runtime = *started;

  for (std::uint32_t round = 0; round < 6; ++round) {
    const std::uint32_t version = round % 2 + 1;
    INFO("round " << round);
    if (round > 0) {
      const auto swapped = runtime.swap(variant_file("unique_" + std::to_string(version), "unique").string());
      INFO((swapped ? "" : swapped.error().to_string()));
      REQUIRE(swapped.has_value());
    }
    for (std::uint64_t call = 1; call <= 20; ++call) {
      const unique::CountsT counts = touch(runtime);
      CHECK(counts.version == version);
      CHECK(counts.variable == call);
      CHECK(counts.local == call);
      CHECK(counts.whole);
    }
  }
}
