#include <cstdint>
#include <memory>
#include <variant>

#include "pipeline/batch_runner.hpp"
#include "pipeline/call_runner.hpp"
#include "pipeline/expand_runner.hpp"
#include "pipeline/given_runner.hpp"
#include "pipeline/group_runner.hpp"
#include "pipeline/input_runner.hpp"
#include "pipeline/item_runner.hpp"
#include "pipeline/node_runner.hpp"
#include "pipeline/output_runner.hpp"
#include "pipeline/reduce_runner.hpp"
#include "pipeline/source_runner.hpp"

namespace tenon::internal {

std::unique_ptr<NodeRunner> make_node_runner(RunContext& run, std::uint32_t node) {
  const PlanNode& plan = run.graph.nodes[node];
  if (std::holds_alternative<InputRule>(plan.rule)) {
    return std::make_unique<InputRunner>(run, node);
  }
  if (std::holds_alternative<OutputRule>(plan.rule)) {
    return std::make_unique<OutputRunner>(run, node);
  }
  switch (plan.kind) {
    case NodeKind::kSource:
      return std::make_unique<SourceRunner>(run, node);
    case NodeKind::kGiven:
      return std::make_unique<GivenRunner>(run, node);
    case NodeKind::kExpand:
      return std::make_unique<ExpandRunner>(run, node);
    case NodeKind::kBatch:
      return std::make_unique<BatchRunner>(run, node);
    case NodeKind::kReduce:
      if (plan.groups) {
        return std::make_unique<GroupRunner>(run, node);
      }
      return std::make_unique<ReduceRunner>(run, node);
    case NodeKind::kMap:
      return std::make_unique<CallRunner>(run, node);
    case NodeKind::kSink:
      if (plan.collects) {
        return std::make_unique<ReduceRunner>(run, node);
      }
      return std::make_unique<CallRunner>(run, node);
    case NodeKind::kRoute:
    case NodeKind::kFilter:
    case NodeKind::kProject:
    case NodeKind::kSample:
    case NodeKind::kLimit:
    case NodeKind::kThrottle:
    case NodeKind::kDelay:
    case NodeKind::kCollect:
      return std::make_unique<ItemRunner>(run, node);
  }
  return nullptr;
}

}  // namespace tenon::internal
