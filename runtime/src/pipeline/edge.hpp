/// The queue between two nodes of a running graph.
#pragma once

#include <cstdint>
#include <utility>

#include <tenon/reply.hpp>

#include "pipeline/item_group.hpp"
#include "pipeline/plan.hpp"
#include "pipeline/ring.hpp"

namespace tenon::internal {

/// A value that travels along an edge.
struct Item {
  Reply reply;
  std::uint64_t index = 0;             ///< Its number at the node that made it: a source, batch or reduce.
  Shared<const ItemGroup> group = {};  ///< Null unless it comes from a reduce with groups.

  [[nodiscard]] std::uint64_t bytes() const noexcept { return reply.size_bytes(); }
};

/// A queue bounded by items and bytes. Not thread-safe.
class Edge {
 public:
  Edge(const PlanEdge& plan, const QueueLimits& limits) : limits_(limits), from_(plan.from), to_(plan.to) {}

  [[nodiscard]] std::uint32_t from() const noexcept { return from_; }
  [[nodiscard]] std::uint32_t to() const noexcept { return to_; }
  [[nodiscard]] const QueueLimits& limits() const noexcept { return limits_; }
  [[nodiscard]] bool empty() const noexcept { return queue_.empty(); }
  [[nodiscard]] std::size_t size() const noexcept { return queue_.size(); }
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }
  [[nodiscard]] Item& front() noexcept { return queue_.front(); }
  /// Replaces the bytes of the first item.
  void replace_front(Reply reply) {
    bytes_ -= queue_.front().bytes();
    queue_.front().reply = std::move(reply);
    bytes_ += queue_.front().bytes();
  }
  /// Returns whether its consumer takes no further items; see `close`.
  [[nodiscard]] bool closed() const noexcept { return closed_; }
  /// Removes what is queued and returns the number of items. Nothing may be pushed afterwards.
  std::uint64_t close() {
    closed_ = true;
    const std::uint64_t items = queue_.size();
    queue_.clear();
    bytes_ = 0;
    return items;
  }

  [[nodiscard]] bool has_room(std::uint64_t bytes) const noexcept {
    // An item beyond the byte limit is admitted only into an empty queue; otherwise it would never
    // be sent.
    return queue_.size() < limits_.items && (queue_.empty() || bytes_ + bytes <= limits_.bytes);
  }
  void push(Item item) {
    bytes_ += item.bytes();
    queue_.push_back(std::move(item));
  }
  [[nodiscard]] Item pop() {
    Item item = queue_.pop_front();
    bytes_ -= item.bytes();
    return item;
  }

 private:
  Ring<Item> queue_;
  std::uint64_t bytes_ = 0;
  bool closed_ = false;
  QueueLimits limits_;
  std::uint32_t from_ = 0;
  std::uint32_t to_ = 0;
};

}  // namespace tenon::internal
