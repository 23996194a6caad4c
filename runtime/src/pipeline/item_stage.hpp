/// Stages that need no task: the engine's thread decides about each item with a small object.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include <tenon/error.hpp>

#include "pipeline/edge.hpp"
#include "pipeline/plan.hpp"

namespace tenon::internal {

/// What becomes of the first item of an edge.
struct ItemVerdict {
  enum class Action : std::uint8_t {
    kOpen,  ///< Not decided yet.
    kPass,  ///< It goes to `output`.
    kDrop,
    kWait,  ///< Ask again at `until`.
  };
  Action action = Action::kOpen;
  std::uint32_t output = 0;
  std::chrono::steady_clock::time_point until{};
};

/// The state of one such stage in one run. Not thread-safe.
class ItemStage {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  ItemStage() = default;
  ItemStage(const ItemStage&) = delete;
  ItemStage& operator=(const ItemStage&) = delete;
  virtual ~ItemStage() = default;

  /// Decides about the first item of an input, which is the `input`th of the stage. May replace the
  /// item, but not remove it. kPass and kDrop are final: the engine does not ask again about this
  /// item. Errors: the item fails with them.
  [[nodiscard]] virtual Result<ItemVerdict> decide(std::size_t input, Edge& edge, TimePoint now) = 0;
  /// Notes how many items of an input are not decided yet; called before their decisions.
  virtual void notice(std::size_t /*input*/, std::size_t /*items*/, TimePoint /*now*/) {}
  /// Returns whether no further item can pass: the stage ends, and its producers stop.
  [[nodiscard]] virtual bool complete() const noexcept { return false; }
  /// Returns why it dropped items, for its report; empty if that needs no explanation.
  [[nodiscard]] virtual std::string explain(std::uint64_t /*dropped*/) const { return {}; }
};

/// Creates the stage of a node that needs no task. `plan` must outlive it.
[[nodiscard]] std::unique_ptr<ItemStage> make_item_stage(const PlanNode& plan);

}  // namespace tenon::internal
