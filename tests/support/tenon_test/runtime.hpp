/// A runtime over the plugins and the worker of this build, for tests with real processes.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include <flatbuffers/flatbuffers.h>

#include <tenon/runtime.hpp>
#include <tenon/types_generated.h>

namespace tenon::test {

inline std::filesystem::path build_dir() { return TENON_TEST_BINARY_DIR; }
inline std::filesystem::path source_dir() { return TENON_TEST_SOURCE_DIR; }

/// Options with this build's plugins, the tests' own ones among them, and its worker.
inline RuntimeOptions runtime_options(unsigned workers) {
  RuntimeOptions options;
  options.workers = workers;
  options.plugin_dirs = {build_dir() / "plugins", build_dir() / "tests" / "plugins"};
  options.worker_executable = build_dir() / "bin" / "tenon-worker";
  options.cache_dir = build_dir() / "tests" / "cache";
  return options;
}

/// A tenon.Bytes argument.
inline flatbuffers::FlatBufferBuilder bytes_argument(std::string_view text) {
  flatbuffers::FlatBufferBuilder builder;
  const auto data = builder.CreateVector(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
  builder.Finish(CreateBytes(builder, data));
  return builder;
}

}  // namespace tenon::test
