/// runtimes.hpp: runtimes and arguments that several tests of the host use.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <utility>

#include "tenon_test/catch.hpp"
#include "tenon_test/runtime.hpp"

namespace tenon::test {

/// Returns options with the plugins that ship, without the test plugins.
inline RuntimeOptions shipped_options(unsigned workers) {
  RuntimeOptions options = runtime_options(workers);
  options.plugin_dirs = {build_dir() / "plugins"};
  return options;
}

/// Starts a runtime; the test fails if it cannot start.
inline Runtime start(RuntimeOptions options) {
  auto runtime = Runtime::start(std::move(options));
  if (!runtime) {
    FAIL(runtime.error().to_string());
  }
  return std::move(*runtime);
}

/// Starts a runtime with the plugins that ship and this grace for calls that are cancelled.
inline Runtime start_with_grace(unsigned workers,
                                std::chrono::milliseconds cancel_grace = std::chrono::milliseconds(1000)) {
  RuntimeOptions options = shipped_options(workers);
  options.cancel_grace = cancel_grace;
  return start(std::move(options));
}

/// Returns a tenon.Empty argument.
inline Buffer empty_argument() {
  flatbuffers::FlatBufferBuilder builder;
  builder.Finish(CreateEmpty(builder));
  return {builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize()};
}

/// Returns a tenon.Bytes argument with this many bytes.
inline Buffer sized_argument(std::size_t size) {
  flatbuffers::FlatBufferBuilder builder;
  const Buffer content(size, 7);
  builder.Finish(CreateBytes(builder, builder.CreateVector(content)));
  return {builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize()};
}

/// Returns an argument of tenon.sleep.
inline Buffer sleep_argument(const Runtime& runtime, int duration_ms) {
  return *argument_from_json(runtime, "tenon.sleep", "{\"duration_ms\": " + std::to_string(duration_ms) + "}");
}

}  // namespace tenon::test
