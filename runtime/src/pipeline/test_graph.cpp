#include "pipeline/test_graph.hpp"

#include <map>
#include <string>
#include <utility>

#include "host/storage.hpp"

namespace tenon::internal {
namespace {

class TestGraphMaker {
 public:
  TestGraphMaker(const Graph::Impl& graph, const TestPlan& test) : graph_(graph), test_(test) {}

  TestGraph run() {
    out_.graph.name = graph_.name;
    out_.graph.catalog = graph_.catalog;
    for (const std::uint32_t node : test_.covered) {
      numbers_.emplace(node, add_covered(graph_.nodes[node]));
    }
    std::map<std::uint32_t, std::uint32_t> gives;
    for (const TestGive& give : test_.gives) {
      const std::uint32_t node = numbers_.at(give.node);
      if (graph_.nodes[give.node].kind != NodeKind::kSource) {
        gives.emplace(give.node, add_giver(graph_.nodes[give.node]));
      }
      PlanNode& giver = out_.graph.nodes[gives.count(give.node) > 0 ? gives.at(give.node) : node];
      make_giver(give, giver);
    }
    for (const std::uint32_t node : test_.covered) {
      const auto given = gives.find(node);
      if (given != gives.end()) {
        connect(given->second, 0, numbers_.at(node));
        continue;
      }
      for (const std::uint32_t edge : graph_.nodes[node].inputs) {
        connect(numbers_.at(graph_.edges[edge].from), graph_.edges[edge].output, numbers_.at(node));
      }
    }
    for (const TestExpectation& expectation : test_.expectations) {
      out_.collectors.push_back(expectation.collects() ? add_collector(expectation) : nullptr);
    }
    for (PlanNode& node : out_.graph.nodes) {
      if (node.kind == NodeKind::kFilter) {
        node.else_dropped = node.outputs[node.else_output].edges.empty();
      }
    }
    return std::move(out_);
  }

 private:
  std::uint32_t add(PlanNode node) {
    out_.graph.nodes.push_back(std::move(node));
    return static_cast<std::uint32_t>(out_.graph.nodes.size() - 1);
  }

  std::uint32_t add_covered(const PlanNode& original) {
    PlanNode node = original;
    node.inputs.clear();
    for (PlanOutput& output : node.outputs) {
      output.edges.clear();
    }
    if (node.kind == NodeKind::kSink) {
      // Its results are of interest here. The calls of a sink with an order run one by one.
      if (!node.collects && node.order == OrderKind::kInput) {
        node.workers = 1;
      }
      node.kind = node.collects ? NodeKind::kReduce : NodeKind::kMap;
      node.outputs.emplace_back();
    }
    return add(std::move(node));
  }

  std::uint32_t add_giver(const PlanNode& consumer) {
    PlanNode node;
    // Names of stages have no space, so it is the name of no other node.
    node.name = "give " + consumer.name;
    node.outputs.emplace_back();
    return add(std::move(node));
  }

  static void make_giver(const TestGive& give, PlanNode& node) {
    node.kind = NodeKind::kGiven;
    node.task.clear();
    GivenRule rule;
    for (const Buffer& item : give.items) {
      StoredBytes copy = copy_to_host(item);
      rule.items.emplace_back(std::move(copy.storage), copy.bytes);
    }
    node.rule = std::move(rule);
  }

  std::shared_ptr<ItemCollector> add_collector(const TestExpectation& expectation) {
    PlanNode node;
    node.kind = NodeKind::kCollect;
    node.name = "expect " + expectation.name;
    node.outputs.emplace_back();
    auto collector = std::make_shared<ItemCollector>();
    node.rule = CollectRule{collector};
    connect(numbers_.at(expectation.node), expectation.output, add(std::move(node)));
    return collector;
  }

  void connect(std::uint32_t from, std::uint32_t output, std::uint32_t to) {
    const auto edge = static_cast<std::uint32_t>(out_.graph.edges.size());
    out_.graph.edges.push_back({from, output, to});
    out_.graph.nodes[from].outputs[output].edges.push_back(edge);
    out_.graph.nodes[to].inputs.push_back(edge);
  }

  const Graph::Impl& graph_;
  const TestPlan& test_;
  TestGraph out_;
  std::map<std::uint32_t, std::uint32_t> numbers_;  ///< In the new graph, by the number in the old one.
};

}  // namespace

TestGraph make_test_graph(const Graph::Impl& graph, const TestPlan& test) {
  return TestGraphMaker(graph, test).run();
}

}  // namespace tenon::internal
