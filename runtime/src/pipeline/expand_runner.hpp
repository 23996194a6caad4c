/// pipeline/expand_runner.hpp: a stage whose task gives many results for each item.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "pipeline/expansion.hpp"
#include "pipeline/node_runner.hpp"

namespace tenon::internal {

/// Runs a session for each item. Expansion decides which sessions run and whose results come next.
class ExpandRunner final : public NodeRunner {
 public:
  ExpandRunner(RunContext& run, std::uint32_t node);

  void pump() override;
  void wind_down() override;
  void ended(std::uint32_t which) override;
  void cancel() override;

 private:
  /// Begins the next operation of an item's session, if there is room for its results.
  void step(std::uint32_t which);
  /// Returns how many results the session of an item may be asked for.
  [[nodiscard]] std::uint32_t room(std::uint32_t which);
  /// Opens the session of an item again, or fails the item.
  void recover(std::uint32_t which, Error error);
  void fail(std::uint32_t which, Error error);
  void complete(std::uint32_t which);
  /// Drops an item whose session may still have results to give.
  void drop(std::uint32_t which);
  /// Drops an item of an unwanted node, with the results that waited for it.
  void discard(std::uint32_t which);
  /// Gives up the session of an item, and passes on the results that waited for it.
  void over(std::uint32_t which);
  /// Moves `ready_` to the outbox.
  void pass_on_ready();

  Expansion expansion_;
  std::vector<Reply> ready_;  ///< Reused: results that can be passed on.
  std::uint64_t next_index_ = 0;
};

}  // namespace tenon::internal
