/// Compares what came in the run of a test with what it expects.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include <tenon/catalog.hpp>
#include <tenon/pipeline.hpp>

#include "pipeline/item_collector.hpp"
#include "pipeline/test_plan.hpp"

namespace tenon::internal {

/// One way in which a test failed.
struct TestProblem {
  std::string place;  ///< The stage or the expectation; empty for the test as a whole.
  std::string message;
  std::vector<std::string> details;  ///< Lines: items as TOML, and how their fields differ.
};

/// What happened in the run of a test.
struct TestRun {
  const RunReport* report = nullptr;
  /// By expectation; null if it needs no items.
  const std::vector<std::shared_ptr<ItemCollector>>* collectors = nullptr;
  bool timed_out = false;            ///< It was ended because its time was over.
  std::chrono::nanoseconds took{0};  ///< From its start to its end.
};

/// Returns every way in which the run differs from what the test expects; nothing if it passed.
/// `catalog` is that of the graph.
[[nodiscard]] std::vector<TestProblem> judge_test(const TestPlan& test, const Catalog& catalog, const TestRun& run);

}  // namespace tenon::internal
