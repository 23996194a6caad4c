/// pipeline/call_table.hpp: the calls of a run, by the slots under which its executor knows them.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <unordered_map>
#include <vector>

#include "pipeline/edge.hpp"
#include "pipeline/ring.hpp"

namespace tenon::internal {

/// The busy keys of a node with order = "key:...", and the calls (slots) that wait for each.
using BusyKeys = std::unordered_map<std::string, Ring<std::uint32_t>>;

/// A call from the moment its item leaves the queue to its final result, retries included. Exactly
/// one cache line: a run touches it several times for each item, and what few calls need is kept
/// elsewhere (see CallRunner).
struct alignas(64) ItemCall {
  Item item;
  std::uint32_t node = 0;
  std::uint32_t attempt : 31 = 1;
  std::uint32_t under_way : 1 = 0;
  std::uint64_t call_id = 0;     ///< The id of its attempts so far; 0 before the first has completed.
  union {                        // By the order of its node.
    std::uint64_t sequence = 0;  ///< For order = "input".
    BusyKeys::value_type* key;   ///< For order = "key:...".
  };
};
static_assert(sizeof(ItemCall) == 64);

/// Gives slots to calls and uses them again. All nodes of a run share one table, so that slots stay
/// dense. Not thread-safe.
class CallTable {
 public:
  [[nodiscard]] ItemCall& operator[](std::uint32_t slot) noexcept { return calls_[slot]; }
  /// Returns the number of slots, free ones included.
  [[nodiscard]] std::uint32_t size() const noexcept { return static_cast<std::uint32_t>(calls_.size()); }
  /// Returns a free slot, with a new call of the node.
  [[nodiscard]] std::uint32_t take(std::uint32_t node) {
    std::uint32_t slot = size();
    if (free_.empty()) {
      calls_.emplace_back();
    } else {
      slot = free_.back();
      free_.pop_back();
    }
    calls_[slot].node = node;
    return slot;
  }
  /// Frees a slot and what its call has held.
  void release(std::uint32_t slot) {
    calls_[slot] = {};
    free_.push_back(slot);
  }

 private:
  std::deque<ItemCall> calls_;  ///< A deque, because arguments must not move.
  std::vector<std::uint32_t> free_;
};

}  // namespace tenon::internal
