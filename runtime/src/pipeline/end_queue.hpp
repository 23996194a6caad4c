/// Hands completions from the threads that complete calls to the engine's thread.
#pragma once

#include <chrono>
#include <condition_variable>
#include <iterator>
#include <mutex>
#include <utility>
#include <vector>

#include "host/bulk.hpp"
#include "pipeline/executor.hpp"

namespace tenon::internal {

/// Items of a bulk call that have completed.
struct BulkEnded {
  Shared<const BulkWork> work;
  BulkEnds ends;
};

/// A queue that many threads push to and one thread waits on.
class EndQueue {
 public:
  /// [any-thread] SUBTLE: notifies inside the lock. The waiter may destroy the queue as soon as it
  /// has the last element, and it gets that element only after this thread has released the lock.
  void push(const Ended& ended) {
    const std::lock_guard<std::mutex> lock(mutex_);
    ended_.push_back(ended);
    notify();
  }
  /// [any-thread] Does the same for many completions at once.
  void push(BulkEnded ended) {
    const std::lock_guard<std::mutex> lock(mutex_);
    bulks_.push_back(std::move(ended));
    notify();
  }
  /// [any-thread] Ends the current wait or, if no thread waits, the next one.
  void wake() {
    const std::lock_guard<std::mutex> lock(mutex_);
    woken_ = true;
    notify();
  }

  /// Appends all completions. Waits for a completion or a wake until `deadline`.
  void wait(std::chrono::steady_clock::time_point deadline, std::vector<Ended>& ended, std::vector<BulkEnded>& bulks) {
    std::unique_lock<std::mutex> lock(mutex_);
    if (is_idle()) {
      asleep_ = true;
      wake_.wait_until(lock, deadline, [&] { return !is_idle(); });
      asleep_ = false;
    }
    woken_ = false;
    move_to(ended, ended_);
    move_to(bulks, bulks_);
  }

 private:
  [[nodiscard]] bool is_idle() const noexcept { return ended_.empty() && bulks_.empty() && !woken_; }

  void notify() {
    if (asleep_) {
      asleep_ = false;
      wake_.notify_one();
    }
  }

  template <typename T>
  static void move_to(std::vector<T>& target, std::vector<T>& source) {
    if (target.empty()) {
      // Both vectors keep their memory, so the steady state allocates nothing.
      std::swap(target, source);
    } else {
      std::move(source.begin(), source.end(), std::back_inserter(target));
      source.clear();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  bool asleep_ = false;  // Guarded by mutex_, like the members around it.
  bool woken_ = false;
  std::vector<Ended> ended_;
  std::vector<BulkEnded> bulks_;
};

}  // namespace tenon::internal
