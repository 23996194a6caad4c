#include "workloads/idle.hpp"

#include <unistd.h>

#include <cstdint>
#include <vector>

#include "workloads/process_status.hpp"
#include "workloads/workloads.hpp"

namespace tenon::bench {

void report_idle(const std::string& name, Runtime& runtime) {
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  const RuntimeStats stats = runtime.stats();
  const auto switches = [&] {
    // This thread does not belong to the runtime.
    std::int64_t sum = context_switches(getpid(), getpid());
    for (const RuntimeStats::Worker& worker : stats.workers) {
      sum += context_switches(worker.pid);
    }
    return sum;
  };
  constexpr std::chrono::seconds kWatch{2};
  const std::int64_t before = switches();
  std::this_thread::sleep_for(kWatch);
  report(name + "wakeups", "1/s", {static_cast<double>(switches() - before) / seconds(kWatch)});

  std::vector<double> memory;
  for (const RuntimeStats::Worker& worker : stats.workers) {
    memory.push_back(static_cast<double>(private_bytes(worker.pid)));
  }
  report(name + "private", "B", memory);
}

void idle(const Settings&) {
  Runtime runtime = start_runtime(2);
  wait_for_all_workers(runtime);
  const flatbuffers::FlatBufferBuilder argument = bytes_argument(64);
  for (int i = 0; i < 1'000; ++i) {
    (void)TENON_VALUE(runtime.call("tenon.echo", view(argument)));
  }
  report_idle("tenon.idle.", runtime);
}

}  // namespace tenon::bench
