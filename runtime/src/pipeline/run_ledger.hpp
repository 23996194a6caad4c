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

  /// Notes that a call of the node, or a session for one of its items, has succeeded.
  void succeeded(std::uint32_t node) noexcept { went_well_[node] = true; }
  /// Counts items that have failed together, and keeps the error. `name` names them in messages.
  void failed(std::uint32_t node, std::string name, std::uint64_t items, Error error, TimePoint now);
  /// Returns the error with which the run must end because all items of a node have failed so far;
  /// nullopt if it continues. Returns it once.
  [[nodiscard]] std::optional<Error> take_hopeless();

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
