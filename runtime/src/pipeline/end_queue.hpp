/// Where completing threads leave what has ended, for the engine's thread to pick up.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <vector>

#include "pipeline/executor.hpp"

namespace tenon::internal {

/// Many threads push, one waits.
class EndQueue {
 public:
  /// [any-thread] SUBTLE: wakes inside the lock. The waiter may destroy the queue as soon as it has the last element,
  /// and it gets that only after this thread has let go of the lock for good.
  void push(const Ended& ended) {
    const std::lock_guard<std::mutex> lock(mutex_);
    ended_.push_back(ended);
    if (asleep_) {
      asleep_ = false;
      wake_.notify_one();
    }
  }

  /// Appends everything that has ended; waits for something until `deadline`.
  void wait(std::chrono::steady_clock::time_point deadline, std::vector<Ended>& ended) {
    std::unique_lock<std::mutex> lock(mutex_);
    if (ended_.empty()) {
      asleep_ = true;
      wake_.wait_until(lock, deadline, [&] { return !ended_.empty(); });
      asleep_ = false;
    }
    if (ended.empty()) {
      // Both vectors keep their memory, so the steady state allocates nothing.
      std::swap(ended, ended_);
    } else {
      ended.insert(ended.end(), ended_.begin(), ended_.end());
      ended_.clear();
    }
  }

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  bool asleep_ = false;       // Guarded by mutex_.
  std::vector<Ended> ended_;  // Guarded by mutex_.
};

}  // namespace tenon::internal
