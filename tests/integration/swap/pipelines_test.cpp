// Pipelines that run while their plugin is swapped.
#include <chrono>
#include <cstdint>
#include <future>
#include <string>
#include <thread>

#include <flatbuffers/flatbuffers.h>

#include <tenon/pipeline.hpp>

#include "probe_generated.h"
#include "scene.hpp"
#include "tenon_test/catch.hpp"

namespace {

using namespace tenon;        // NOLINT(google-build-using-namespace): a test
using namespace tenon::test;  // NOLINT(google-build-using-namespace): a test
using std::chrono::milliseconds;

constexpr std::uint64_t kCount = 600;

/// Returns a pipeline from a source over a stage to a sum; `here` selects the tasks without
/// checkpoints.
std::string pipeline_text(bool here) {
  const std::string suffix = here ? "_here" : "";
  return "[sources.ticks]\ntask = \"probe.count" + suffix + "\"\nargs = { count = " + std::to_string(kCount) +
         ", interval_ms = 2 }\n"
         "[stages.pass]\ntask = \"probe.pass\"\ninputs = [\"ticks\"]\n"
         "[sinks.total]\ntask = \"probe.total" +
         suffix + "\"\ninputs = [\"pass\"]\n";
}

struct Ended {
  RunReport report;
  probe::TotalT total;
  int swaps = 0;
};

/// Runs the pipeline, and swaps back and forth meanwhile.
Ended run(Scene& scene, bool here, const SwapOptions& options = {}) {
  scene.callers.allow({1, 2});
  Diagnostics diagnostics;
  const auto graph = Graph::parse(pipeline_text(here), "ticks", scene.runtime.catalog(), {}, diagnostics);
  INFO(diagnostics.to_text());
  REQUIRE(graph.has_value());
  auto running = std::async(std::launch::async, [&] { return run_pipeline(scene.runtime, *graph); });
  Ended ended;
  std::string failed;
  while (running.wait_for(milliseconds(100)) != std::future_status::ready && failed.empty()) {
    const auto swapped =
        scene.runtime.swap(variant_file(ended.swaps % 2 == 0 ? "probe_2" : "probe_1_again").string(), options);
    failed = swapped ? "" : swapped.error().to_string();
    ++ended.swaps;
  }
  ended.report = running.get();
  INFO(failed);
  CHECK(failed == "");
  for (const auto& [sink, reply] : ended.report.outputs) {
    const auto total = TypedReply<probe::Total>::verify(reply);
    REQUIRE(total.has_value());
    (*total)->UnPackTo(&ended.total);
  }
  return ended;
}

void check_exact(const Scene& scene, const Ended& ended) {
  INFO(ended.report.to_json() << "\n" << scene.events.text());
  CHECK(ended.report.end == RunReport::End::kDone);
  CHECK(ended.report.failure_count == 0);
  CHECK(ended.total.count == kCount);
  CHECK(ended.total.sum == kCount * (kCount + 1) / 2);
  CHECK(ended.swaps >= 2);
}

}  // namespace

TEST_CASE("Swap: a pipeline goes on over swaps with exact totals, on each version in turn") {
  Scene scene;
  const Ended ended = run(scene, false);
  check_exact(scene, ended);
  CHECK(ended.total.stages == 0b110);
  CHECK(ended.total.sources == 0b110);
  CHECK(ended.total.reduces == 0b110);
  scene.end();
}

TEST_CASE("Swap: a pipeline whose sessions have no checkpoint keeps them on the version they began on") {
  Scene scene;
  Ended ended = run(scene, true);
  check_exact(scene, ended);
  CHECK(ended.total.stages == 0b110);
  CHECK(ended.total.sources == 0b010);
  CHECK(ended.total.reduces == 0b010);
  ended.report = {};  // Its results hold the version that made them.
  scene.end();
}
