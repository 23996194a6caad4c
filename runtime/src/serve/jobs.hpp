/// Some threads for what blocks, and a bounded queue before them.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <vector>

#include <tenon/error.hpp>

#include "base/guarded.hpp"
#include "platform/thread.hpp"

namespace tenon::internal {

/// Runs functions in the order they came, on threads of its own that take no signals. [any-thread]
class Jobs {
 public:
  /// Without threads yet. `name` is that of the threads; at most 15 letters count.
  Jobs(const char* name, unsigned threads, std::size_t max_waiting);
  Jobs(const Jobs&) = delete;
  Jobs& operator=(const Jobs&) = delete;
  /// Waits for what runs; drops what waits.
  ~Jobs();

  /// Starts the threads. Errors: kUnavailable when the system has no more of them. [setup]
  [[nodiscard]] Result<void> start();
  /// False when too many wait.
  [[nodiscard]] bool run(std::function<void()> job);

 private:
  struct State {
    std::deque<std::function<void()>> waiting;
    bool ends = false;
  };
  void work();

  Guarded<State> state_;
  std::condition_variable changed_;
  const char* const name_;
  const unsigned thread_count_;
  const std::size_t max_waiting_;
  std::vector<Thread> threads_;
};

}  // namespace tenon::internal
