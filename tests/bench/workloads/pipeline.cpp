#include <tenon/pipeline.hpp>

#include <string>

#include "workloads/bench_runtime.hpp"
#include "workloads/workloads.hpp"

namespace tenon::bench {
namespace {

/// Returns a pipeline with a source of numbers, `stages` stages that pass them on, and a sink that
/// drops them.
std::string pipeline_text(int stages, std::uint64_t items) {
  std::string text = "[sources.numbers]\ntask = \"tenon.numbers\"\nargs = { count = " + std::to_string(items) + " }\n";
  std::string input = "numbers";
  for (int stage = 1; stage <= stages; ++stage) {
    const std::string name = "pass_" + std::to_string(stage);
    text += "[stages." + name + "]\ntask = \"bench.pass\"\ninputs = [\"" + input + "\"]\n";
    input = name;
  }
  return text + "[sinks.done]\ntask = \"tenon.discard\"\ninputs = [\"" + input + "\"]\n";
}

/// Runs it and returns the items per second.
double run(Runtime& runtime, int stages, std::uint64_t items) {
  Diagnostics diagnostics;
  const auto graph = Graph::parse(pipeline_text(stages, items), "bench", runtime.catalog(), {}, diagnostics);
  if (!graph) {
    std::fputs(diagnostics.to_text().c_str(), stderr);
    std::exit(1);
  }
  RunReport done;
  const double took = time_once([&] { done = run_pipeline(runtime, *graph); });
  TENON_CHECK(done.end == RunReport::End::kDone && done.failure_count == 0);
  TENON_CHECK(done.stages.back().items_in == items);
  return static_cast<double>(items) / took * 1e6;
}

}  // namespace

void pipeline(const Settings& settings) {
  Runtime runtime = start_runtime(2);
  wait_for_all_workers(runtime);
  for (const int stages : {1, 5, 20}) {
    // Each has the same number of calls: fewer items through more stages.
    const auto items = static_cast<std::uint64_t>(settings.pick(1'200'000, 120'000) / (stages + 5));
    (void)run(runtime, stages, items / 10);
    report("tenon.pipeline." + std::to_string(stages), "items/s", {run(runtime, stages, items)});
  }
}

}  // namespace tenon::bench
