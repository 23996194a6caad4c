/// A runtime with this build's plugins and worker, and arguments of a given size.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <thread>

#include <flatbuffers/flatbuffers.h>

#include <tenon/types_generated.h>
#include <tenon/runtime.hpp>

#include "tenon_test/check.hpp"
#include "tenon_test/paths.hpp"

namespace tenon::bench {

inline RuntimeOptions runtime_options(unsigned workers) {
  const std::filesystem::path build = test::build_dir();
  RuntimeOptions options;
  options.workers = workers;
  options.plugin_dirs = {build / "plugins", build / "tests" / "bench_plugins"};
  options.worker_executable = build / "bin" / "tenon-worker";
  options.cache_dir = build / "tests" / "bench_cache";
  return options;
}

inline Runtime start_runtime(unsigned workers) {
  return TENON_VALUE(Runtime::start(runtime_options(workers)));
}

/// Waits for all workers; Runtime::start returns with the first.
inline void wait_for_all_workers(const Runtime& runtime) {
  while (runtime.stats().workers.size() < runtime.worker_count()) {
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
}

inline BytesView view(const flatbuffers::FlatBufferBuilder& finished) {
  return BytesView(finished.GetBufferPointer(), finished.GetSize());
}

/// The number of bytes that a FlatBuffer of tenon.Bytes adds to its data.
inline constexpr std::size_t kBytesFrame = 24;

/// Returns a tenon.Bytes whose FlatBuffer is `size_bytes` long, a multiple of 4.
inline flatbuffers::FlatBufferBuilder bytes_argument(std::size_t size_bytes) {
  flatbuffers::FlatBufferBuilder builder(size_bytes + 64);
  std::uint8_t* data = nullptr;
  const auto vector = builder.CreateUninitializedVector(size_bytes - kBytesFrame, &data);
  std::memset(data, 'x', size_bytes - kBytesFrame);
  builder.Finish(CreateBytes(builder, vector));
  TENON_CHECK(builder.GetSize() == size_bytes);
  return builder;
}

/// Returns whether a reply of tenon.echo has the length of its argument, and starts and ends with
/// the same bytes.
inline bool echoed(BytesView reply, BytesView argument) {
  return reply.size() == argument.size() && reply.front() == argument.front() && reply.back() == argument.back();
}

}  // namespace tenon::bench
