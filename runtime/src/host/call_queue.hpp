/// host/call_queue.hpp: calls that wait for a worker: higher priority first, first come first served within one.
#pragma once

#include <cstddef>
#include <functional>
#include <map>

namespace tenon::internal {

class Call;

/// Intrusive: no allocation per call, removal anywhere in O(1) within a priority. Holds no references; who queues a
/// call keeps it alive. Not thread-safe.
class CallQueue {
 public:
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  /// The next to run; nullptr when empty.
  [[nodiscard]] Call* front() const noexcept;
  /// The first of the next few thousand that `wanted` accepts, in the order in which they would run; nullptr if none.
  [[nodiscard]] Call* find(bool (*wanted)(const Call&)) const noexcept;
  void push_back(Call& call);
  /// For calls that come back from a worker: before those of the same priority.
  void push_front(Call& call);
  void remove(Call& call) noexcept;

 private:
  struct Lane {
    Call* first = nullptr;
    Call* last = nullptr;
  };
  std::map<int, Lane, std::greater<>> lanes_;
  std::size_t size_ = 0;
};

}  // namespace tenon::internal
