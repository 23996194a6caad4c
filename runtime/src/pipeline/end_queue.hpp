/// Hands completions from the threads that complete calls to the engine's thread.
#pragma once

#include <chrono>
#include <condition_variable>
#include <iterator>
#include <utility>
#include <vector>

#include "base/guarded.hpp"
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
    const auto queue = queue_.lock();
    queue->ended.push_back(ended);
    notify(*queue);
  }
  /// [any-thread] Does the same for many completions at once.
  void push(BulkEnded ended) {
    const auto queue = queue_.lock();
    queue->bulks.push_back(std::move(ended));
    notify(*queue);
  }
  /// [any-thread] Ends the current wait or, if no thread waits, the next one.
  void wake() {
    const auto queue = queue_.lock();
    queue->woken = true;
    notify(*queue);
  }

  /// Appends all completions. Waits for a completion or a wake until `deadline`.
  void wait(std::chrono::steady_clock::time_point deadline, std::vector<Ended>& ended, std::vector<BulkEnded>& bulks) {
    auto queue = queue_.lock();
    if (queue->is_idle()) {
      queue->asleep = true;
      static_cast<void>(queue.wait_until(wake_, deadline, [&] { return !queue->is_idle(); }));
      queue->asleep = false;
    }
    queue->woken = false;
    move_to(ended, queue->ended);
    move_to(bulks, queue->bulks);
  }

 private:
  struct Queue {
    bool asleep = false;  ///< The waiting thread sleeps and has not been notified.
    bool woken = false;
    std::vector<Ended> ended;
    std::vector<BulkEnded> bulks;

    [[nodiscard]] bool is_idle() const noexcept { return ended.empty() && bulks.empty() && !woken; }
  };

  void notify(Queue& queue) {
    if (queue.asleep) {
      queue.asleep = false;
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

  std::condition_variable wake_;
  Guarded<Queue> queue_;
};

}  // namespace tenon::internal
