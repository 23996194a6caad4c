#include "pipeline/run_ledger.hpp"

#include <string>
#include <utility>

namespace tenon::internal {

RunLedger::RunLedger(const Graph::Impl& graph, const RunOptions& options)
    : nodes_(graph.nodes),
      max_reported_(options.max_reported_failures),
      give_up_after_(options.give_up_after.value_or(graph.give_up_after.value_or(RunOptions::kUsualGiveUpAfter))),
      notices_(options.on_failure),
      went_well_(graph.nodes.size()) {
  report_.end = RunReport::End::kRunning;
  report_.stages.resize(nodes_.size());
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    report_.stages[i].name = nodes_[i].name;
    report_.stages[i].task = nodes_[i].task;
    report_.stages[i].kind = std::string(node_kind_name(nodes_[i].kind));
  }
}

void RunLedger::failed(std::uint32_t node, std::string name, std::uint64_t items, Error error, TimePoint now) {
  ++report_.failure_count;
  const std::string& stage = nodes_[node].name;
  notices_.add(stage, name, error, now);
  StageReport& counts = report_.stages[node];
  counts.failed += items;
  const bool only_failed = !went_well_[node] && counts.items_out == 0 && counts.grouped == 0 && counts.dropped == 0;
  // If the stage has only these items, an early end saves nothing.
  const bool has_more_items = counts.items_in > give_up_after_;
  if (only_failed && has_more_items && give_up_after_ > 0 && counts.failed >= give_up_after_ && !hopeless_) {
    hopeless_ = node;
    hopeless_error_ = error;
  }
  if (report_.failures.size() < max_reported_) {
    report_.failures.push_back({stage, std::move(name), std::move(error)});
  }
}

std::optional<Error> RunLedger::take_hopeless() {
  if (!hopeless_) {
    return std::nullopt;
  }
  const std::uint32_t node = *hopeless_;
  hopeless_.reset();
  if (went_well_[node]) {
    return std::nullopt;  // Calls that started earlier have succeeded meanwhile.
  }
  Error error = std::move(hopeless_error_);
  error.message =
      "stage '" + nodes_[node].name + "': the first " + std::to_string(report_.stages[node].failed) +
      " items have all failed, so the run was ended (give_up_after); the last failed with: " + error.message;
  return error;
}

}  // namespace tenon::internal
