#include <string>
#include <vector>

#include "workloads/idle.hpp"
#include "workloads/workloads.hpp"

namespace tenon::bench {
namespace {

/// Starts `count` workers, makes calls and stops them. Reports the rate of calls and the duration
/// of start and stop.
void run_workers(unsigned count, std::size_t named_calls, double scale) {
  const std::string name = "tenon.workers." + std::to_string(count);
  const auto calls = static_cast<std::size_t>(static_cast<double>(named_calls) * scale);
  const Clock::time_point begin = Clock::now();
  Runtime runtime = start_runtime(count);
  wait_for_all_workers(runtime);
  report(name + ".start", "us", {microseconds(Clock::now() - begin)});

  const flatbuffers::FlatBufferBuilder argument = bytes_argument(64);
  std::vector<Future<Reply>> results(calls);
  double failures = 0;
  const double took = time_once([&] {
    for (Future<Reply>& result : results) {
      result = runtime.submit("tenon.echo", view(argument));
    }
    for (Future<Reply>& result : results) {
      failures += result.get().has_value() ? 0 : 1;
    }
  });
  results.clear();
  report(name, "calls/s", {static_cast<double>(calls) / took * 1e6}, scale);
  report(name + ".failures", "calls", {failures + static_cast<double>(runtime.stats().crashed_workers)}, scale);
  if (count == 256) {
    report_idle(name + ".", runtime);
  }
  report(name + ".stop", "us", {time_once([&] { runtime.shutdown(); })});
}

}  // namespace

void workers(const Settings& settings) {
  for (const unsigned count : {1u, 2u, 8u, 64u}) {
    run_workers(count, 200'000, settings.pick(1.0, 0.1));
  }
  run_workers(256, 1'000'000, settings.pick(1.0, 0.05));
}

}  // namespace tenon::bench
