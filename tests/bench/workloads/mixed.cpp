#include <array>
#include <chrono>
#include <cstdint>
#include <vector>

#include "workloads/bench_runtime.hpp"
#include "workloads/workloads.hpp"

namespace tenon::bench {
namespace {

constexpr std::chrono::milliseconds kLong{20};
constexpr int kBurst = 16;

/// Returns an argument of tenon.sleep: a table with one number, like tenon.Number.
flatbuffers::FlatBufferBuilder sleep_argument() {
  flatbuffers::FlatBufferBuilder builder;
  builder.Finish(CreateNumber(builder, kLong.count()));
  return builder;
}

}  // namespace

void mixed(const Settings& settings) {
  Runtime runtime = start_runtime(2);
  wait_for_all_workers(runtime);
  const flatbuffers::FlatBufferBuilder short_argument = bytes_argument(64);
  const flatbuffers::FlatBufferBuilder long_argument = sleep_argument();
  std::vector<double> samples;
  double held = 0;
  for (int round = 0; round < settings.pick(40, 10); ++round) {
    // A long call among short ones: it may occupy one of the two workers, but must not delay other
    // calls.
    std::array<Clock::time_point, kBurst> ends;
    std::vector<Future<void>> short_calls;
    Future<Reply> long_call;
    const Clock::time_point begin = Clock::now();
    for (std::size_t i = 0; i < kBurst; ++i) {
      if (i == kBurst / 2) {
        long_call = runtime.submit("tenon.sleep", view(long_argument));
      }
      short_calls.push_back(runtime.submit("tenon.echo", view(short_argument)).then([&ends, i](Result<Reply> reply) {
        TENON_CHECK(reply.has_value());
        ends[i] = Clock::now();
      }));
    }
    for (std::size_t i = 0; i < kBurst; ++i) {
      (void)TENON_VALUE([&] { return short_calls[i].get().map([] { return 0; }); }());
      const double took = microseconds(ends[i] - begin);
      samples.push_back(took);
      held += took > microseconds(kLong) / 2 ? 1 : 0;
    }
    (void)TENON_VALUE(long_call.get());
    TENON_CHECK(Clock::now() - begin >= kLong);
  }
  report("tenon.mixed", "us", samples);
  report("tenon.mixed.held", "calls", {held});
}

}  // namespace tenon::bench
