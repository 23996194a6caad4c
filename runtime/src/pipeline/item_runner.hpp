/// pipeline/item_runner.hpp: a node that needs no task.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "pipeline/item_stage.hpp"
#include "pipeline/node_runner.hpp"

namespace tenon::internal {

/// Moves items along as an ItemStage decides. The inputs take turns.
class ItemRunner final : public NodeRunner {
 public:
  ItemRunner(RunContext& run, std::uint32_t node);

  void pump() override;
  void wind_down() override { finish(); }
  void ended(std::uint32_t /*which*/) override {}
  void fill_report() override;

 private:
  enum class Passed { kYes, kNo, kLast };
  /// Decides about the first item of an input and passes it on. Returns kNo if that must wait, and
  /// kLast if the node takes no further item.
  [[nodiscard]] Passed pass_item(std::size_t input);
  /// Waits for the time that a verdict names.
  void wait_until(TimePoint at);

  std::unique_ptr<ItemStage> stage_;
  std::vector<ItemVerdict> verdicts_;  ///< By input: what becomes of its first item.
  std::size_t next_input_ = 0;
  TimePoint wakes_at_{};  ///< When its latest timer fires.
};

}  // namespace tenon::internal
