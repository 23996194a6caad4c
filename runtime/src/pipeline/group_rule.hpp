/// pipeline/group_rule.hpp: how a reduce divides its items into groups. Plain data.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "pipeline/item_group.hpp"

namespace tenon::internal {

class ItemField;

/// Where the time of an item comes from, and which windows there are. All times are nanoseconds
/// since 1970-01-01 UTC.
struct WindowRule {
  /// A window of `size_ns` begins at each multiple of `slide_ns`. Both are 0 for sessions.
  std::int64_t size_ns = 0;
  std::int64_t slide_ns = 0;
  /// A session ends when its key has had no item for this long.
  std::int64_t gap_ns = 0;
  std::shared_ptr<const ItemField> time;  ///< Null: the time at which the stage takes the item.
  std::int64_t unit_ns = 1;               ///< The unit of a number in `time`.
  /// How far a time may lie before the greatest one so far; absent: as far as it wants.
  std::optional<std::int64_t> lateness_ns;
  /// An input without items for this long does not hold windows open.
  std::optional<std::chrono::nanoseconds> idle;
  /// How often open groups give what they have so far.
  std::optional<std::chrono::nanoseconds> early;

  [[nodiscard]] bool sessions() const noexcept { return gap_ns > 0; }
  [[nodiscard]] bool by_arrival() const noexcept { return time == nullptr; }
};

struct GroupRule {
  std::vector<std::shared_ptr<const ItemField>> keys;
  std::shared_ptr<const GroupShape> shape;  ///< Its keys are those of `keys`.
  std::optional<WindowRule> window;
  std::uint64_t most_groups = kUsualGroups;  ///< How many may be open at once.
  /// What their items and checkpoints may occupy in this process.
  std::uint64_t memory_bytes = kUsualMemoryBytes;

  static constexpr std::uint64_t kUsualGroups = 100'000;
  static constexpr std::uint64_t kUsualMemoryBytes = std::uint64_t{256} << 20;
};

}  // namespace tenon::internal
