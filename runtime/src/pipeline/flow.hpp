/// pipeline/flow.hpp: the queues of a running graph, and which of its nodes must be looked at.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "pipeline/edge.hpp"
#include "pipeline/pace.hpp"
#include "pipeline/plan.hpp"
#include "pipeline/ring.hpp"
#include "pipeline/run_ledger.hpp"

namespace tenon::internal {

/// Moves items along the edges and schedules the nodes for which that changes something: an item
/// arrived, room became free, a producer finished. Not thread-safe.
class Flow {
 public:
  /// Both outlive the flow.
  Flow(const Graph::Impl& graph, RunLedger& ledger);

  /// Marks a node to be pumped soon, unless it has finished.
  void schedule(std::uint32_t node) {
    Place& place = places_[node];
    if (!place.scheduled && !place.finished) {
      place.scheduled = true;
      scheduled_.push_back(node);
    }
  }
  [[nodiscard]] bool has_scheduled() const noexcept { return !scheduled_.empty(); }
  /// Removes and returns the next scheduled node that has not finished; nullopt if there is none.
  [[nodiscard]] std::optional<std::uint32_t> next_scheduled();

  [[nodiscard]] Edge& edge(std::uint32_t index) noexcept { return edges_[index]; }
  [[nodiscard]] bool has_room(const PlanOutput& output, std::uint64_t bytes) const {
    return std::all_of(output.edges.begin(), output.edges.end(),
                       [&](std::uint32_t edge) { return edges_[edge].has_room(bytes); });
  }
  /// Appends an item to every edge of an output, each of which must have room or be closed.
  void push(const PlanOutput& output, Item item);
  /// Removes the first item of an edge, which has one.
  [[nodiscard]] Item pop(std::uint32_t edge) {
    schedule(edges_[edge].from());
    return edges_[edge].pop();
  }
  /// Returns the next input edge of a node that has an item, in turn; nullopt if all are empty.
  [[nodiscard]] std::optional<std::uint32_t> next_edge(std::uint32_t node) {
    Place& place = places_[node];
    std::size_t at = place.next_input;
    for (std::size_t i = 0; i < place.inputs.size(); ++i) {
      const std::uint32_t edge = place.inputs[at];
      at = at + 1 < place.inputs.size() ? at + 1 : 0;
      if (!edges_[edge].empty()) {
        place.next_input = at;
        return edge;
      }
    }
    return std::nullopt;
  }
  /// Returns how many items wait for a node.
  [[nodiscard]] std::uint64_t queued(std::uint32_t node) const;
  /// Returns how many results a session may be asked for by the room behind an output. `ahead` and
  /// the requests of `sharers` sessions need room too.
  [[nodiscard]] std::uint32_t room_for_step(const PlanOutput& output, const StepSize& step,
                                            const ResultsAhead& ahead = {}, std::uint32_t sharers = 1) const;

  /// Returns whether no item will arrive at a node any more.
  [[nodiscard]] bool input_ended(std::uint32_t node) const;
  /// Marks a node that gives nothing more.
  void finish(std::uint32_t node);
  [[nodiscard]] bool finished(std::uint32_t node) const noexcept { return places_[node].finished; }
  /// Returns how many nodes have not finished.
  [[nodiscard]] std::size_t open_nodes() const noexcept { return open_nodes_; }
  /// Whether the input of a node, or the output of a source, ended early because of a stop.
  [[nodiscard]] bool cut(std::uint32_t node) const noexcept { return places_[node].cut; }
  void set_cut(std::uint32_t node, bool cut) noexcept { places_[node].cut = cut; }
  /// Whether no consumer takes the output of a node any more. It must start nothing new.
  [[nodiscard]] bool unwanted(std::uint32_t node) const noexcept { return places_[node].unwanted; }
  /// Drops what is queued for a node that takes no further items. Each producer whose outputs have no other consumer
  /// becomes unwanted; the same applies to its own producers.
  void close_inputs(std::uint32_t node);

 private:
  /// The place of a node in the graph.
  struct Place {
    std::span<const std::uint32_t> inputs;  ///< Those of the plan: here, each item finds them close by.
    std::size_t next_input = 0;
    std::uint32_t open_producers = 0;  ///< Input edges whose producer has not finished.
    bool scheduled = false;
    bool finished = false;
    bool cut = false;
    bool unwanted = false;
  };

  [[nodiscard]] bool has_taker(const PlanNode& producer) const;

  const Graph::Impl& graph_;
  RunLedger& ledger_;
  std::vector<Edge> edges_;
  std::vector<Place> places_;
  Ring<std::uint32_t> scheduled_;
  std::size_t open_nodes_ = 0;
};

}  // namespace tenon::internal
