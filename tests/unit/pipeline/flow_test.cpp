/// The queues of a running graph, without an engine.
#include "pipeline/flow.hpp"

#include <optional>
#include <string>
#include <vector>

#include "fake_executor.hpp"
#include "tenon_test/catch.hpp"

namespace tenon::test {

using internal::Flow;
using internal::NodeKind;

namespace {

/// A graph of bare nodes, in which each edge has an output of its own at its producer.
struct Wires {
  explicit Wires(std::size_t nodes) { graph.nodes.resize(nodes); }
  std::uint32_t connect(std::uint32_t from, std::uint32_t to) {
    const auto edge = static_cast<std::uint32_t>(graph.edges.size());
    graph.edges.push_back({from, static_cast<std::uint32_t>(graph.nodes[from].outputs.size()), to});
    graph.nodes[from].outputs.push_back({{}, {edge}});
    graph.nodes[to].inputs.push_back(edge);
    return edge;
  }
  /// Call it when all edges have been added.
  Flow& flow() {
    if (!flow_) {
      ledger.emplace(graph, options);
      flow_.emplace(graph, *ledger);
    }
    return *flow_;
  }
  void push(std::uint32_t edge, const std::string& text) {
    flow().push(graph.nodes[graph.edges[edge].from].outputs[graph.edges[edge].output], {make_reply(text), 0});
  }
  std::vector<std::uint32_t> scheduled() {
    std::vector<std::uint32_t> nodes;
    while (const std::optional<std::uint32_t> node = flow().next_scheduled()) {
      nodes.push_back(*node);
    }
    return nodes;
  }

  Graph::Impl graph;
  RunOptions options;
  std::optional<internal::RunLedger> ledger;

 private:
  std::optional<Flow> flow_;
};

}  // namespace

TEST_CASE("Flow: an item wakes its consumer once, and taking it wakes its producer") {
  Wires wires(2);
  const std::uint32_t edge = wires.connect(0, 1);
  wires.push(edge, "a");
  wires.push(edge, "b");
  CHECK(wires.scheduled() == std::vector<std::uint32_t>{1});
  CHECK(wires.flow().queued(1) == 2);
  CHECK(wires.ledger->stage(1).items_in == 2);
  CHECK(text_of(wires.flow().pop(edge).reply) == "a");
  CHECK(wires.scheduled() == std::vector<std::uint32_t>{0});
}

TEST_CASE("Flow: inputs take turns") {
  Wires wires(3);
  const std::uint32_t left = wires.connect(0, 2);
  const std::uint32_t right = wires.connect(1, 2);
  for (const std::uint32_t edge : {left, left, right, right}) {
    wires.push(edge, "x");
  }
  std::vector<std::uint32_t> order;
  while (const std::optional<std::uint32_t> edge = wires.flow().next_edge(2)) {
    order.push_back(*edge);
    static_cast<void>(wires.flow().pop(*edge));
  }
  CHECK(order == std::vector<std::uint32_t>{left, right, left, right});
}

TEST_CASE("Flow: a step is asked for what fits behind all edges, and for nothing while half a queue is taken") {
  Wires wires(2);
  wires.graph.nodes[1].queue = {.items = 8, .bytes = 1000};
  const std::uint32_t edge = wires.connect(0, 1);
  const internal::PlanOutput& output = wires.graph.nodes[0].outputs[0];
  internal::StepSize step;
  for (int i = 0; i < 10; ++i) {
    step.stepped(step.size(), {});
  }
  CHECK(wires.flow().room_for_step(output, step) == 8);
  CHECK(wires.flow().room_for_step(output, step, {.items = 3, .bytes = 0}) == 5);
  CHECK(wires.flow().room_for_step(output, step, {}, 4) == 1);
  for (int i = 0; i < 5; ++i) {
    wires.push(edge, "x");
  }
  CHECK(wires.flow().room_for_step(output, step) == 0);
}

TEST_CASE("Flow: the input of a node ends with its last producer and its last item, and a cut goes along") {
  Wires wires(3);
  const std::uint32_t edge = wires.connect(0, 2);
  wires.connect(1, 2);
  wires.push(edge, "x");
  wires.flow().set_cut(0, true);
  wires.flow().finish(0);
  CHECK_FALSE(wires.flow().input_ended(2));
  wires.flow().finish(1);
  wires.flow().finish(1);
  CHECK_FALSE(wires.flow().input_ended(2));
  static_cast<void>(wires.flow().pop(edge));
  CHECK(wires.flow().input_ended(2));
  CHECK(wires.flow().cut(2));
  CHECK(wires.flow().open_nodes() == 1);
  CHECK(wires.scheduled() == std::vector<std::uint32_t>{2});
}

TEST_CASE("Flow: closing the inputs of a node ends the producers that have no other consumer") {
  //   0 -> 1 -> 3     0 feeds only 1. 2 feeds 3 and 4.
  //        2 -> 3
  //        2 -> 4
  Wires wires(5);
  wires.connect(0, 1);
  const std::uint32_t closed = wires.connect(1, 3);
  wires.connect(2, 3);
  wires.connect(2, 4);
  wires.push(closed, "x");
  wires.flow().close_inputs(3);
  CHECK(wires.flow().unwanted(1));
  CHECK(wires.flow().unwanted(0));
  CHECK_FALSE(wires.flow().unwanted(2));
  CHECK(wires.ledger->stage(3).dropped == 1);
  wires.push(closed, "late");
  CHECK(wires.ledger->stage(3).items_in == 2);
  CHECK(wires.ledger->stage(3).dropped == 2);
  CHECK(wires.flow().queued(3) == 0);
}

}  // namespace tenon::test
