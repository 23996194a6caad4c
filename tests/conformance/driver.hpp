/// The launchers that the suite runs with, and code that its tests share.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <tenon/types_generated.h>
#include <tenon/runtime.hpp>

#include "host/launcher.hpp"
#include "host/runtime_access.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/in_process_launcher.hpp"
#include "tenon_test/runtime.hpp"

struct OnProcesses {
  static std::unique_ptr<tenon::internal::Launcher> launcher() {
    return tenon::internal::make_process_launcher(tenon::test::build_dir() / "bin" / "tenon-worker");
  }
};
struct OnThreads {
  static std::unique_ptr<tenon::internal::Launcher> launcher() { return tenon::test::make_in_process_launcher(); }
};

namespace conformance {

/// A runtime over one of the launchers, with the plugin of this build.
template <typename Driver>
tenon::Runtime start(tenon::RuntimeOptions options) {
  options.plugin_dirs = {tenon::test::build_dir() / "plugins"};
  auto runtime = tenon::internal::RuntimeAccess::start(std::move(options), Driver::launcher());
  if (!runtime) {
    FAIL(runtime.error().to_string());
  }
  return std::move(*runtime);
}
template <typename Driver>
tenon::Runtime start(unsigned workers) {
  return start<Driver>(tenon::test::runtime_options(workers));
}

inline tenon::BytesView view(const flatbuffers::FlatBufferBuilder& builder) {
  return {builder.GetBufferPointer(), builder.GetSize()};
}

inline tenon::Buffer bytes(std::size_t size) {
  tenon::Buffer content(size);
  for (std::size_t i = 0; i < size; ++i) {
    content[i] = static_cast<std::uint8_t>(i * 7 + i / 251);
  }
  return content;
}

inline flatbuffers::FlatBufferBuilder bytes_argument(std::size_t size) {
  flatbuffers::FlatBufferBuilder builder(size + 64);
  const tenon::Buffer content = bytes(size);
  builder.Finish(tenon::CreateBytes(builder, builder.CreateVector(content)));
  return builder;
}

inline flatbuffers::FlatBufferBuilder empty_argument() {
  flatbuffers::FlatBufferBuilder builder;
  builder.Finish(tenon::CreateEmpty(builder));
  return builder;
}

inline flatbuffers::FlatBufferBuilder number_argument(std::int64_t value) {
  flatbuffers::FlatBufferBuilder builder;
  builder.Finish(tenon::CreateNumber(builder, value));
  return builder;
}

/// Returns the argument of a task of the plugin, from JSON.
inline tenon::Buffer argument(const tenon::Runtime& runtime, std::string_view task, std::string_view json) {
  auto made = tenon::test::argument_from_json(runtime, task, json);
  if (!made) {
    FAIL(made.error().to_string());
  }
  return *made;
}
inline tenon::Buffer params(const tenon::Runtime& runtime, std::string_view task, std::string_view json) {
  auto made = tenon::test::params_from_json(runtime, task, json);
  if (!made) {
    FAIL(made.error().to_string());
  }
  return *made;
}

/// Returns the value of a Result; fails the test with the error's text if there is none.
template <typename T>
T value(tenon::Result<T> result) {
  if (!result) {
    FAIL(result.error().to_string());
  }
  return std::move(*result);
}

}  // namespace conformance
