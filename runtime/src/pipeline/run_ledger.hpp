/// pipeline/run_ledger.hpp: the report of a run while it grows.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <tenon/error.hpp>
#include <tenon/pipeline.hpp>

#include "pipeline/failure_notices.hpp"
#include "pipeline/plan.hpp"

namespace tenon::internal {

/// Counts what happens to the items of each node, keeps the first failures, and notices that all
/// items of a node fail. Not thread-safe.
class RunLedger {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  RunLedger(const Graph::Impl& graph, const RunOptions& options);

  [[nodiscard]] RunReport& report() noexcept { return report_; }
  [[nodiscard]] StageReport& stage(std::uint32_t node) noexcept { return report_.stages[node]; }
  /// Reports failures during the run to RunOptions::on_failure.
  [[nodiscard]] FailureNotices& notices() noexcept { return notices_; }
  [[nodiscard]] const FailureNotices& notices() const noexcept { return notices_; }

  /// Notes that a call or session of the node has succeeded.
  void succeeded(std::uint32_t node) noexcept { went_well_[node] = true; }
  /// Notes that an item has failed, or several together. `item` names it in messages. The caller
  /// counts it in StageReport::failed first.
  void failed(std::uint32_t node, std::string item, Error error, TimePoint now);
  /// Returns the error with which the run must end because all items of a node have failed so far;
  /// nullopt if it continues.
  [[nodiscard]] std::optional<Error> hopeless();

 private:
  const std::vector<PlanNode>& nodes_;
  const std::size_t max_reported_;
  const std::uint64_t give_up_after_;
  FailureNotices notices_;
  RunReport report_;
  std::vector<bool> went_well_;
  /// A node whose first `give_up_after_` items have all failed, and the error of the last one.
  std::optional<std::uint32_t> hopeless_;
  Error hopeless_error_;
};

}  // namespace tenon::internal
