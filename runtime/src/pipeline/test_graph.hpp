/// The graph that runs in a test.
#pragma once

#include <memory>
#include <vector>

#include "pipeline/item_collector.hpp"
#include "pipeline/plan.hpp"
#include "pipeline/test_plan.hpp"

namespace tenon::internal {

struct TestGraph {
  Graph::Impl graph;
  /// By expectation: the items that came; null if it needs none.
  std::vector<std::shared_ptr<ItemCollector>> collectors;
};

/// Cuts the nodes that the test covers out of the graph, with nodes that give and collect items.
/// Serves one run.
[[nodiscard]] TestGraph make_test_graph(const Graph::Impl& graph, const TestPlan& test);

}  // namespace tenon::internal
