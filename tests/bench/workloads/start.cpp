#include <string>

#include "workloads/bench_runtime.hpp"
#include "workloads/workloads.hpp"

namespace tenon::bench {

void start(const Settings& settings) {
  const flatbuffers::FlatBufferBuilder argument = bytes_argument(64);
  for (const unsigned workers : {1u, 2u, 8u}) {
    std::vector<double> first_result;
    std::vector<double> all_ready;
    for (int sample = 0; sample < settings.pick(11, 6); ++sample) {
      const Clock::time_point begin = Clock::now();
      Runtime runtime = start_runtime(workers);
      (void)TENON_VALUE(runtime.call("tenon.echo", view(argument)));
      const Clock::time_point first = Clock::now();
      wait_for_all_workers(runtime);
      if (sample > 0) {  // The first start warms up the page cache.
        first_result.push_back(microseconds(first - begin));
        all_ready.push_back(microseconds(Clock::now() - begin));
      }
    }
    const std::string name = "tenon.start." + std::to_string(workers);
    report(name, "us", first_result);
    report(name + ".all_ready", "us", all_ready);
  }
}

}  // namespace tenon::bench
