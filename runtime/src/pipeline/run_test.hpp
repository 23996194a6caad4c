/// Runs the tests of a pipeline in real workers.
#pragma once

#include <atomic>
#include <vector>

#include <tenon/pipeline.hpp>
#include <tenon/runtime.hpp>

#include "pipeline/judge_test.hpp"
#include "pipeline/plan.hpp"
#include "pipeline/test_plan.hpp"

namespace tenon::internal {

struct TestOutcome {
  std::vector<TestProblem> problems;  ///< Empty if the test passed.
  double seconds = 0;
  bool interrupted = false;  ///< It was ended by an interrupt and says nothing.
};

/// Runs one test of the graph: writes its files, runs its part of the graph until it ends or its
/// time is over, judges what came and removes the files. Blocks. `interrupts` may be null; if its
/// count is above 0, the run ends soon. [any-thread]
[[nodiscard]] TestOutcome run_test(Runtime& runtime, const Graph::Impl& graph, const TestPlan& test,
                                   const std::atomic<int>* interrupts);

}  // namespace tenon::internal
