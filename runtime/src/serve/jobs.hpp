/// Some threads for what blocks, and a bounded queue before them.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "base/guarded.hpp"

namespace tenon::internal {

/// Runs functions in the order they came, on threads of its own that take no signals. [any-thread]
class Jobs {
 public:
  /// `name` is that of the threads; at most 15 letters count.
  Jobs(const char* name, unsigned threads, std::size_t max_waiting);
  Jobs(const Jobs&) = delete;
  Jobs& operator=(const Jobs&) = delete;
  /// Waits for what runs; drops what waits.
  ~Jobs();

  /// False when too many wait.
  [[nodiscard]] bool run(std::function<void()> job);

 private:
  struct State {
    std::deque<std::function<void()>> waiting;
    bool ends = false;
  };
  void work(const char* name);

  Guarded<State> state_;
  std::condition_variable changed_;
  const std::size_t max_waiting_;
  std::vector<std::thread> threads_;
};

}  // namespace tenon::internal
