#include "pipeline/flow.hpp"

#include <algorithm>
#include <utility>

namespace tenon::internal {

Flow::Flow(const Graph::Impl& graph, RunLedger& ledger)
    : graph_(graph), ledger_(ledger), places_(graph.nodes.size()), open_nodes_(graph.nodes.size()) {
  edges_.reserve(graph.edges.size());
  for (const PlanEdge& edge : graph.edges) {
    edges_.emplace_back(edge, graph.nodes[edge.to].queue);
  }
  for (std::size_t i = 0; i < places_.size(); ++i) {
    places_[i].inputs = graph.nodes[i].inputs;
    places_[i].open_producers = static_cast<std::uint32_t>(graph.nodes[i].inputs.size());
  }
}

std::optional<std::uint32_t> Flow::next_scheduled() {
  while (!scheduled_.empty()) {
    const std::uint32_t node = scheduled_.pop_front();
    places_[node].scheduled = false;
    if (!places_[node].finished) {
      return node;
    }
  }
  return std::nullopt;
}

void Flow::push(const PlanOutput& output, Item item) {
  for (std::size_t i = 0; i < output.edges.size(); ++i) {
    Edge& edge = edges_[output.edges[i]];
    StageReport& consumer = ledger_.stage(edge.to());
    ++consumer.items_in;
    if (edge.closed()) {
      ++consumer.dropped;
      continue;
    }
    if (i + 1 == output.edges.size()) {
      edge.push(std::move(item));
    } else {
      edge.push(item);
    }
    schedule(edge.to());
  }
}

std::uint64_t Flow::queued(std::uint32_t node) const {
  std::uint64_t items = 0;
  for (const std::uint32_t edge : graph_.nodes[node].inputs) {
    items += edges_[edge].size();
  }
  return items;
}

std::uint32_t Flow::room_for_step(const PlanOutput& output, const StepSize& step, const ResultsAhead& ahead,
                                  std::uint32_t sharers) const {
  std::uint64_t room = step.size();
  for (const std::uint32_t index : output.edges) {
    const Edge& edge = edges_[index];
    const QueueLimits& limits = edge.limits();
    const std::uint64_t bytes = edge.bytes() + ahead.bytes;
    if (bytes >= limits.bytes) {
      return 0;
    }
    const std::uint64_t free = limits.items - std::min<std::uint64_t>(limits.items, edge.size() + ahead.items);
    // A step needs half a queue of room, so that a full queue does not cause steps for single
    // items.
    if (free * 2 < limits.items) {
      return 0;
    }
    const std::uint64_t share = sharers == 1 ? free : std::max<std::uint64_t>(1, limits.items / (2 * sharers));
    room = std::min({room, free, share, std::uint64_t{step.within((limits.bytes - bytes + sharers - 1) / sharers)}});
  }
  return static_cast<std::uint32_t>(room);
}

bool Flow::input_ended(std::uint32_t node) const {
  const std::vector<std::uint32_t>& inputs = graph_.nodes[node].inputs;
  return places_[node].open_producers == 0 &&
         std::all_of(inputs.begin(), inputs.end(), [&](std::uint32_t edge) { return edges_[edge].empty(); });
}

void Flow::finish(std::uint32_t node) {
  Place& place = places_[node];
  if (place.finished) {
    return;
  }
  place.finished = true;
  ledger_.stage(node).ended = true;
  --open_nodes_;
  for (const PlanOutput& output : graph_.nodes[node].outputs) {
    for (const std::uint32_t edge : output.edges) {
      const std::uint32_t to = edges_[edge].to();
      --places_[to].open_producers;
      places_[to].cut = places_[to].cut || place.cut;
      schedule(to);
    }
  }
}

bool Flow::has_taker(const PlanNode& producer) const {
  return std::any_of(producer.outputs.begin(), producer.outputs.end(), [&](const PlanOutput& output) {
    return std::any_of(output.edges.begin(), output.edges.end(),
                       [&](std::uint32_t edge) { return !edges_[edge].closed(); });
  });
}

void Flow::close_inputs(std::uint32_t node) {
  std::vector<std::uint32_t> ending{node};
  while (!ending.empty()) {
    const std::uint32_t closing = ending.back();
    ending.pop_back();
    for (const std::uint32_t edge : graph_.nodes[closing].inputs) {
      ledger_.stage(closing).dropped += edges_[edge].close();
      const std::uint32_t from = edges_[edge].from();
      Place& producer = places_[from];
      if (!producer.unwanted && !producer.finished && !has_taker(graph_.nodes[from])) {
        producer.unwanted = true;
        ending.push_back(from);
      }
      // It may also have waited for room in this edge.
      schedule(from);
    }
  }
}

}  // namespace tenon::internal
