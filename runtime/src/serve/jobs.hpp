/// A few threads for blocking work, with a bounded queue.
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

/// Runs functions in the order of submission, on its own threads, which block all signals.
/// [any-thread]
class Jobs {
 public:
  /// Starts no threads. `name` names the threads; at most 15 characters are used.
  Jobs(const char* name, unsigned threads, std::size_t max_waiting);
  Jobs(const Jobs&) = delete;
  Jobs& operator=(const Jobs&) = delete;
  /// Waits for running jobs; drops waiting jobs.
  ~Jobs();

  /// Starts the threads. Errors: kUnavailable if the system cannot create more threads. [setup]
  [[nodiscard]] Result<void> start();
  /// Returns false if too many jobs wait.
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
