#include <string>
#include <thread>

#include "workloads/bench_runtime.hpp"
#include "workloads/workloads.hpp"

namespace tenon::bench {
namespace {

struct Size {
  const char* name;
  std::size_t bytes;
};
constexpr Size kSizes[] = {{"64B", 64}, {"4KiB", 4096}};

/// Makes calls of each size; `before` runs between two of them.
template <typename Before>
void calls(const char* state, Clock::duration time, std::size_t most, Before before) {
  Runtime runtime = start_runtime(1);
  for (const Size& size : kSizes) {
    const flatbuffers::FlatBufferBuilder argument = bytes_argument(size.bytes);
    report(std::string("tenon.call.") + size.name + "." + state, "us",
           time_each(
               time, 50, most,
               [&] {
                 TENON_CHECK(echoed(TENON_VALUE(runtime.call("tenon.echo", view(argument))).bytes(), view(argument)));
               },
               before));
  }
}

}  // namespace

void awake_calls(const Settings& settings) {
  calls("awake", settings.time(), 100'000, [] {});
}

void sleeping_calls(const Settings& settings) {
  calls("sleeping", settings.time() * 2, 1'000, [] { std::this_thread::sleep_for(kPause); });
}

}  // namespace tenon::bench
