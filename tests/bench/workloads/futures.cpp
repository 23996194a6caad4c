#include <string>
#include <thread>
#include <vector>

#include "workloads/bench_runtime.hpp"
#include "workloads/workloads.hpp"

namespace tenon::bench {

void futures(const Settings& settings) {
  Runtime runtime = start_runtime(1);
  const flatbuffers::FlatBufferBuilder argument = bytes_argument(64);
  const auto submit_and_get = [&](int count) {
    std::vector<Future<Reply>> results;
    results.reserve(static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) {
      results.push_back(runtime.submit("tenon.echo", view(argument)));
    }
    for (const Future<Reply>& result : results) {
      TENON_CHECK(echoed(TENON_VALUE(result.get()).bytes(), view(argument)));
    }
  };
  const int count = settings.pick(100'000, 40'000);
  for (const int threads : {1, 2, 4}) {
    submit_and_get(count / 10);
    std::vector<double> rates;
    for (int sample = 0; sample < settings.pick(6, 2); ++sample) {
      const double took = time_once([&] {
        std::vector<std::thread> submitters;
        for (int thread = 1; thread < threads; ++thread) {
          submitters.emplace_back(submit_and_get, count / threads);
        }
        submit_and_get(count / threads);
        for (std::thread& submitter : submitters) {
          submitter.join();
        }
      });
      rates.push_back(count / took * 1e6);
    }
    report("tenon.futures." + std::to_string(threads), "calls/s", rates);
  }
}

}  // namespace tenon::bench
