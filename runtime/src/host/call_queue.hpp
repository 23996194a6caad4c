/// host/call_queue.hpp: calls that wait for a worker, in order of priority, then of arrival.
#pragma once

#include <cstddef>
#include <functional>
#include <map>

namespace tenon::internal {

class Call;

/// Intrusive: needs no allocation per call, and removes any call in O(1) within its priority. Holds no references; the
/// code that queues a call keeps it alive. Not thread-safe.
class CallQueue {
 public:
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  /// The next call to run; nullptr if the queue is empty.
  [[nodiscard]] Call* front() const noexcept;
  /// The first call that `wanted` accepts among the next few thousand, in the order in which they would run; nullptr if
  /// none.
  [[nodiscard]] Call* find(bool (*wanted)(const Call&)) const noexcept;
  void push_back(Call& call);
  /// For calls that come back from a worker: puts the call before the others of its priority.
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
