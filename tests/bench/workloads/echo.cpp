#include <algorithm>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <string>
#include <vector>

#include <tenon/argument.hpp>

#include "workloads/bench_runtime.hpp"
#include "workloads/workloads.hpp"

namespace tenon::bench {
namespace {

constexpr std::size_t kKiB = 1024;
constexpr std::size_t kMiB = kKiB * kKiB;

struct Size {
  const char* name;
  std::size_t bytes;
};
constexpr Size kSizes[] = {
    {"4KiB", 4 * kKiB}, {"64KiB", 64 * kKiB}, {"1MiB", kMiB}, {"64MiB", 64 * kMiB}, {"256MiB", 256 * kMiB}};

/// Builds an argument of tenon.echo in the memory that workers read, and writes every byte of it.
Reply build_in_place(Runtime& runtime, std::size_t size_bytes) {
  ArgumentBuilder argument = TENON_VALUE(runtime.build_argument(size_bytes + 64));
  std::uint8_t* data = nullptr;
  const auto vector = argument.flatbuffer().CreateUninitializedVector(size_bytes - kBytesFrame, &data);
  std::memset(data, 'x', size_bytes - kBytesFrame);
  return TENON_VALUE(argument.finish(CreateBytes(argument.flatbuffer(), vector)));
}

void copied(const std::string& name, const Settings& settings, Runtime& runtime, std::size_t size_bytes) {
  const flatbuffers::FlatBufferBuilder argument = bytes_argument(size_bytes);
  report(name, "us", time_each(settings.time() / 2, 3, 2'000, [&] {
           const Reply reply = TENON_VALUE(runtime.call("tenon.echo", view(argument)));
           TENON_CHECK(echoed(reply.bytes(), view(argument)));
         }));
}

void in_place(const std::string& name, const Settings& settings, Runtime& runtime, std::size_t size_bytes) {
  Reply argument = build_in_place(runtime, size_bytes);
  const auto call = [&] {
    const Reply reply = TENON_VALUE(runtime.call("tenon.echo", argument));
    TENON_CHECK(echoed(reply.bytes(), argument.bytes()));
  };
  report(name, "us", time_each(settings.time() / 2, 20, 20'000, call));
  report(name + ".new", "us", time_each(settings.time() / 2, 5, 5'000, call, [&] {
           argument = Reply();
           argument = build_in_place(runtime, size_bytes);
         }));
}

/// Makes a small call after writing as much memory as the largest argument has: the worker sleeps
/// by then, and the caches hold no data of either side.
void cold_call(const Settings& settings, Runtime& runtime) {
  std::vector<std::uint8_t> memory(kSizes[std::size(kSizes) - 1].bytes);
  const flatbuffers::FlatBufferBuilder argument = bytes_argument(64);
  std::uint8_t value = 0;
  report("tenon.call.64B.cold", "us",
         time_each(
             settings.time() / 2, 5, 1'000,
             [&] {
               const Reply reply = TENON_VALUE(runtime.call("tenon.echo", view(argument)));
               TENON_CHECK(echoed(reply.bytes(), view(argument)));
             },
             [&] { std::fill(memory.begin(), memory.end(), ++value); }));
  TENON_CHECK(memory.back() == value);
}

}  // namespace

void echo(const Settings& settings) {
  Runtime runtime = start_runtime(1);
  cold_call(settings, runtime);
  for (const Size& size : kSizes) {
    const std::string name = std::string("tenon.echo.") + size.name;
    copied(name + ".copied", settings, runtime, size.bytes);
    in_place(name + ".in_place", settings, runtime, size.bytes);
  }
}

}  // namespace tenon::bench
