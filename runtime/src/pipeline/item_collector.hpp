/// Keeps copies of the items that come from one output, for a test to judge.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "pipeline/edge.hpp"

namespace tenon::internal {

/// Not thread-safe: the engine fills it while it runs.
class ItemCollector {
 public:
  /// More items, or more bytes, are not kept.
  static constexpr std::size_t kMostItems = 100'000;
  static constexpr std::uint64_t kMostBytes = std::uint64_t{64} << 20;

  /// Copies an item, so that it does not occupy the memory of its worker.
  void take(const Item& item);
  /// Returns whether an item came for which there was no room.
  [[nodiscard]] bool full() const noexcept { return full_; }
  [[nodiscard]] const std::vector<Item>& items() const noexcept { return items_; }

 private:
  std::vector<Item> items_;
  std::uint64_t bytes_ = 0;
  bool full_ = false;
};

}  // namespace tenon::internal
