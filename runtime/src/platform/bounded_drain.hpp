/// Passes items to a function that may block, on a separate thread, through a bounded queue.
///
///   BoundedDrain<std::string> lines(
///       {.thread_name = "tenon-stderr", .take = write, .report = report_dropped});
///   lines.push(line, line.size());            // does not wait
///   lines.close({.idle = 2s, .total = 30s});  // returns even if `write` hangs forever
///
/// The thread starts with the first item. An item that does not fit is dropped and counted; the
/// count is delivered as an item of its own once there is room again.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <thread>
#include <utility>

#include "base/guarded.hpp"
#include "platform/thread.hpp"

namespace tenon::internal {

/// How long to wait for a function that may hang.
struct DrainPatience {
  /// Gives up if no item was taken for this long.
  std::chrono::milliseconds idle{2000};
  /// Gives up after this time in any case.
  std::chrono::milliseconds total{30'000};
};

template <typename Item>
class BoundedDrain {
 public:
  struct Options {
    /// Names are truncated to 15 characters.
    const char* thread_name = "tenon-drain";
    /// Limit of the queued items' sizes, as passed to `push`.
    std::size_t max_bytes = std::size_t{1} << 20;
    /// Limit per source (other than 0), so that no source fills the queue at the expense of the
    /// others.
    std::size_t max_source_bytes = std::size_t{1} << 18;
    /// Minimum time between reports of dropped items, except for the first report.
    std::chrono::milliseconds report_interval{1000};
    /// Takes an item; may block. Returning false means that the item is lost; it then counts as
    /// dropped.
    std::function<bool(const Item&)> take = {};
    /// Makes the item that reports how many items of a source were dropped; may be empty.
    std::function<Item(std::uint64_t source, std::uint64_t count)> report = {};
  };

  explicit BoundedDrain(Options options) : state_(std::make_shared<Shared>(std::move(options))) {}
  BoundedDrain(const BoundedDrain&) = delete;
  BoundedDrain& operator=(const BoundedDrain&) = delete;
  /// Same as close() with the default patience.
  ~BoundedDrain() { close({}); }

  /// Does not wait, unless the system cannot start another thread. Returns false if there is no
  /// room (the item is counted as dropped) or the drain is closed. [any-thread]
  bool push(Item item, std::size_t size_bytes, std::uint64_t source = 0) {
    auto queue = state_->queue.lock();
    if (queue->closed) {
      return false;
    }
    const bool room = has_room(*queue, size_bytes, source);
    if (!room) {
      ++queue->dropped[source];
    } else {
      queue->bytes += size_bytes;
      if (source != 0) {
        queue->source_bytes[source] += size_bytes;
      }
      queue->items.push_back({std::move(item), size_bytes, source});
    }
    start_thread(*queue);
    take_here(queue);
    queue.unlock();
    state_->changed.notify_one();
    return room;
  }

  /// Counts items that were dropped before they reached the drain. [any-thread]
  void note_dropped(std::uint64_t source, std::uint64_t count) {
    auto queue = state_->queue.lock();
    if (queue->closed || count == 0) {
      return;
    }
    queue->dropped[source] += count;
    start_thread(*queue);
    queue.unlock();
    state_->changed.notify_one();
  }

  /// Waits until all items and all reports of dropped items have been taken. Returns false if it
  /// gave up first, and immediately on the drain's own thread. `stop` is polled regularly; it gives
  /// up too when that returns true. [any-thread]
  bool flush(DrainPatience patience, const std::function<bool()>& stop = {}) {
    auto queue = state_->queue.lock();
    if (queue->idle()) {
      return true;
    }
    if (queue->thread == std::this_thread::get_id()) {
      return false;
    }
    ++queue->flushes;
    state_->changed.notify_all();
    const bool done = wait_for_idle(queue, patience, stop);
    --queue->flushes;
    return done;
  }

  /// Flushes, stops the thread and drops what is left. A thread whose `take` does not return is
  /// abandoned; whatever the functions in the options refer to must then stay alive. [any-thread]
  bool close(DrainPatience patience) {
    if (const auto queue = state_->queue.lock(); queue->closed) {
      return !queue->busy;
    }
    const bool flushed = flush(patience);
    auto queue = state_->queue.lock();
    queue->closed = true;
    std::deque<Entry> dropped;
    dropped.swap(queue->items);
    queue->bytes = 0;
    queue->source_bytes.clear();
    state_->changed.notify_all();
    // The thread of a function that has returned exits at once; waiting for it makes sure that
    // nothing of it runs afterwards.
    if (queue->thread != std::this_thread::get_id()) {
      const auto until = std::chrono::steady_clock::now() + patience.idle;
      static_cast<void>(queue.wait_until(state_->progress, until, [&] { return !queue->running; }));
    }
    return flushed;
  }

 private:
  static constexpr std::chrono::milliseconds kAskEvery{50};
  static constexpr int kRetryFactor = 9;

  struct Entry {
    Item item;
    std::size_t size_bytes = 0;
    std::uint64_t source = 0;
  };
  struct Queue {
    std::deque<Entry> items;
    std::size_t bytes = 0;
    std::map<std::uint64_t, std::size_t> source_bytes;
    std::map<std::uint64_t, std::uint64_t> dropped;
    std::chrono::steady_clock::time_point next_report{};
    std::uint64_t taken = 0;
    std::thread::id thread{};
    int flushes = 0;
    /// Set until half of the queue is free again, so that not every line gets a report.
    bool full = false;
    bool busy = false;
    bool running = false;
    bool closed = false;

    [[nodiscard]] bool idle() const { return items.empty() && dropped.empty() && !busy; }
  };
  struct Shared {
    explicit Shared(Options given) : options(std::move(given)) {}
    const Options options;
    Guarded<Queue> queue;
    std::condition_variable changed;   // For the drain's thread.
    std::condition_variable progress;  // For callers that wait for progress.
  };
  using Locked = typename Guarded<Queue>::Locked;

  [[nodiscard]] bool has_room(Queue& queue, std::size_t size_bytes, std::uint64_t source) const {
    const Options& options = state_->options;
    if (queue.full || queue.bytes + size_bytes > options.max_bytes) {
      // One item always fits, however large; an item that is being taken counts.
      queue.full = queue.bytes > 0;
      return queue.bytes == 0;
    }
    if (source == 0) {
      return true;
    }
    const auto used = queue.source_bytes.find(source);
    return used == queue.source_bytes.end() || used->second + size_bytes <= options.max_source_bytes;
  }

  void start_thread(Queue& queue) {
    if (queue.running) {
      return;
    }
    auto thread = Thread::start(state_->options.thread_name, [state = state_] { run(*state); });
    if (thread) {
      queue.running = true;
      thread->detach();
    }
    // If no thread could be started, the caller does the work, and the next item tries again.
  }

  /// If the system has no thread for the drain, a late line is better than none: the caller
  /// delivers what is due.
  void take_here(Locked& queue) {
    while (!queue->running && !queue->busy && !queue->closed && step(*state_, queue)) {
    }
  }

  bool wait_for_idle(Locked& queue, DrainPatience patience, const std::function<bool()>& stop) {
    start_thread(*queue);
    while (!queue->running && !queue->idle()) {
      step(*state_, queue);
    }
    const auto end = std::chrono::steady_clock::now() + patience.total;
    while (!queue->idle()) {
      const std::uint64_t taken = queue->taken;
      const auto idle_end = std::min(std::chrono::steady_clock::now() + patience.idle, end);
      bool moved = false;
      while (!moved) {
        const auto until = stop ? std::min(idle_end, std::chrono::steady_clock::now() + kAskEvery) : idle_end;
        moved = queue.wait_until(state_->progress, until, [&] { return queue->taken != taken || queue->idle(); });
        if (!moved && ((stop && stop()) || std::chrono::steady_clock::now() >= idle_end)) {
          return false;
        }
      }
      if (std::chrono::steady_clock::now() >= end) {
        return queue->idle();
      }
    }
    return true;
  }

  static void run(Shared& state) {
    auto queue = state.queue.lock();
    queue->thread = std::this_thread::get_id();
    while (!queue->closed) {
      if (step(state, queue)) {
        continue;
      }
      if (!queue->dropped.empty()) {
        static_cast<void>(queue.wait_until(state.changed, queue->next_report, [&] {
          return queue->closed || queue->flushes > 0 || !queue->items.empty();
        }));
      } else {
        queue.wait(state.changed, [&] { return queue->closed || !queue->idle(); });
      }
    }
    queue->running = false;
    queue->thread = {};
    // Under the lock: a waiting thread may destroy what `state` refers to once the lock is
    // released.
    state.progress.notify_all();
  }

  /// Delivers what is due. Returns false if nothing is.
  static bool step(Shared& state, Locked& queue) {
    if (report_due(*queue)) {
      hand_over_reports(state, queue);
      return true;
    }
    if (!queue->items.empty()) {
      hand_over_next(state, queue);
      return true;
    }
    return false;
  }

  [[nodiscard]] static bool report_due(const Queue& queue) {
    return !queue.dropped.empty() && !queue.full &&
           ((queue.flushes > 0 && queue.items.empty()) || std::chrono::steady_clock::now() >= queue.next_report);
  }

  static void hand_over_next(Shared& state, Locked& queue) {
    Entry entry = std::move(queue->items.front());
    queue->items.pop_front();
    queue->busy = true;
    const bool taken = unlocked(state, queue, [&] { return state.options.take(entry.item); });
    queue->busy = false;
    if (queue->closed) {
      return;
    }
    const auto now = std::chrono::steady_clock::now();
    if (!taken) {
      ++queue->dropped[entry.source];
      queue->next_report = std::max(queue->next_report, now + state.options.report_interval);
    } else {
      queue->next_report = std::min(queue->next_report, now + state.options.report_interval);
    }
    queue->bytes -= entry.size_bytes;
    queue->full = queue->full && queue->bytes > state.options.max_bytes / 2;
    if (entry.source != 0) {
      const auto used = queue->source_bytes.find(entry.source);
      used->second -= entry.size_bytes;
      if (used->second == 0) {
        queue->source_bytes.erase(used);
      }
    }
    ++queue->taken;
    state.progress.notify_all();
  }

  /// A report that cannot be delivered either is retried later, unless a flush is waiting.
  static void hand_over_reports(Shared& state, Locked& queue) {
    queue->next_report = std::chrono::steady_clock::now() + state.options.report_interval;
    std::map<std::uint64_t, std::uint64_t> dropped;
    dropped.swap(queue->dropped);
    queue->busy = true;
    const bool gives_up = queue->flushes > 0;
    std::map<std::uint64_t, std::uint64_t> kept;
    static_cast<void>(unlocked(state, queue, [&] {
      for (const auto& [source, count] : dropped) {
        if (state.options.report && !state.options.take(state.options.report(source, count)) && !gives_up) {
          kept[source] = count;
        }
      }
      return true;
    }));
    queue->busy = false;
    for (const auto& [source, count] : kept) {
      queue->dropped[source] += count;
    }
    if (!kept.empty()) {
      // A full disk stays full for a while.
      queue->next_report += kRetryFactor * state.options.report_interval;
    }
    ++queue->taken;
    state.progress.notify_all();
  }

  /// Runs `function` without the lock. If it throws, the item was not taken.
  template <typename Function>
  static bool unlocked(Shared& state, Locked& queue, const Function& function) {
    queue.unlock();
    bool done = false;
    try {
      done = function();
    } catch (...) {
      done = false;
    }
    queue = state.queue.lock();
    return done;
  }

  const std::shared_ptr<Shared> state_;
};

}  // namespace tenon::internal
