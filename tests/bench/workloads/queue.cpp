#include <malloc.h>

#include <cstdint>
#include <thread>
#include <vector>

#include "workloads/bench_runtime.hpp"
#include "workloads/process_status.hpp"
#include "workloads/workloads.hpp"

namespace tenon::bench {
namespace {

constexpr std::size_t kArgumentBytes = 64;

struct Cost {
  double call_us = 0;     ///< The time to submit a call, run it and take its result.
  double call_bytes = 0;  ///< The memory of a queued call in addition to its argument.
};

/// Keeps the only worker busy until it is released.
class Hold {
 public:
  explicit Hold(Runtime& runtime) {
    flatbuffers::FlatBufferBuilder empty;
    empty.Finish(CreateEmpty(empty));
    call_ = runtime.submit("bench.hold", view(empty));
    while (!call_.progress()) {
      TENON_CHECK(!call_.ready());
      std::this_thread::yield();
    }
  }
  void release() const { (void)call_.cancel(); }

 private:
  Future<Reply> call_;
};

/// Queues `count` calls behind a busy worker, then releases the worker.
Cost queue_and_drain(Runtime& runtime, std::size_t count) {
  const flatbuffers::FlatBufferBuilder argument = bytes_argument(kArgumentBytes);
  // Touched here, so that it does not count as memory of the queue.
  std::vector<Future<Reply>> results(count);
  const Hold hold(runtime);
  const std::int64_t resident_before = resident_bytes();
  const Clock::time_point begin = Clock::now();
  for (Future<Reply>& result : results) {
    result = runtime.submit("tenon.echo", view(argument));
  }
  const Clock::time_point queued = Clock::now();
  const std::int64_t resident = resident_bytes() - resident_before;
  const Clock::time_point released = Clock::now();
  hold.release();
  for (Future<Reply>& result : results) {
    TENON_CHECK(echoed(TENON_VALUE(result.get()).bytes(), view(argument)));
    result = {};
  }
  const auto calls = static_cast<double>(count);
  return {.call_us = microseconds((queued - begin) + (Clock::now() - released)) / calls,
          .call_bytes = static_cast<double>(resident) / calls - static_cast<double>(kArgumentBytes)};
}

}  // namespace

void queue(const Settings& settings) {
  Runtime runtime = start_runtime(1);
  std::vector<double> shallow;
  const auto queue_1k = [&] {
    for (int sample = 0; sample < settings.pick(300, 100); ++sample) {
      shallow.push_back(queue_and_drain(runtime, 1'000).call_us);
    }
  };
  queue_1k();
  shallow.clear();  // The first samples only warm up.
  queue_1k();

  constexpr std::size_t kDeep = 10'000'000;
  const std::size_t deep = settings.pick(kDeep, kDeep / 20);
  malloc_trim(0);
  const Cost cost = queue_and_drain(runtime, deep);
  const double scale = static_cast<double>(deep) / kDeep;
  report("tenon.queue.10M", "us", {cost.call_us}, scale);
  report("tenon.queue.10M.bytes", "B", {cost.call_bytes}, scale);

  std::vector<double> medium;
  for (int sample = 0; sample < settings.pick(5, 2); ++sample) {
    medium.push_back(queue_and_drain(runtime, 100'000).call_us);
  }
  report("tenon.queue.100k", "us", medium);
  queue_1k();  // Measured again, so that the deep queue is between the two measurements.
  report("tenon.queue.1k", "us", shallow);
}

}  // namespace tenon::bench
