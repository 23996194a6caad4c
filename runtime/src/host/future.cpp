#include <tenon/future.hpp>

#include <condition_variable>
#include <deque>
#include <limits>
#include <mutex>

#include "base/clock.hpp"
#include "platform/doorbell.hpp"

namespace tenon::internal {

namespace {

MonotonicNs to_monotonic(std::chrono::steady_clock::time_point point) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(point.time_since_epoch()).count();
}

constexpr int kAll = std::numeric_limits<int>::max();

}  // namespace

void FutureState::lock() noexcept {
  // A futex mutex of three values: 0 free, 1 held, 2 held and awaited. Acquire on taking, release on giving.
  std::uint32_t expected = 0;
  if (lock_.compare_exchange_strong(expected, 1, std::memory_order_acquire, std::memory_order_relaxed)) {
    return;
  }
  while (lock_.exchange(2, std::memory_order_acquire) != 0) {
    static_cast<void>(wait_on_word(lock_, 2, kNever));
  }
}

void FutureState::unlock() noexcept {
  if (lock_.exchange(0, std::memory_order_release) == 2) {
    wake_word(lock_, 1);
  }
}

void FutureState::wait() const noexcept {
  static_cast<void>(wait_until(std::chrono::steady_clock::time_point::max()));
}

bool FutureState::wait_until(std::chrono::steady_clock::time_point deadline) const noexcept {
  const MonotonicNs deadline_ns = to_monotonic(deadline);
  for (;;) {
    std::uint32_t seen = word_.load(std::memory_order_acquire);
    if (seen == kReady) {
      return true;
    }
    if (seen == kPending &&
        !word_.compare_exchange_strong(seen, kAwaited, std::memory_order_relaxed, std::memory_order_relaxed)) {
      continue;
    }
    if (wait_on_word(word_, kAwaited, deadline_ns) == WaitResult::kTimeout) {
      return ready();
    }
  }
}

bool FutureState::add_waiter(Waiter* waiter) noexcept {
  if (ready()) {
    return false;
  }
  lock();
  // The word turns kReady under the lock, so a waiter is either in the list that `publish` takes or refused here.
  const bool pending = !ready();
  if (pending) {
    waiter->next = waiters_;
    waiters_ = waiter;
  }
  unlock();
  return pending;
}

bool FutureState::remove_waiter(Waiter* waiter) noexcept {
  lock();
  bool found = false;
  for (Waiter** link = &waiters_; *link != nullptr; link = &(*link)->next) {
    if (*link == waiter) {
      *link = waiter->next;
      found = true;
      break;
    }
  }
  unlock();
  return found;
}

void FutureState::publish() noexcept {
  lock();
  Waiter* waiter = std::exchange(waiters_, nullptr);
  // Release: whoever sees kReady sees the outcome.
  const std::uint32_t before = word_.exchange(kReady, std::memory_order_acq_rel);
  unlock();
  if (before == kAwaited) {
    wake_word(word_, kAll);
  }
  Waiter* in_order = nullptr;
  while (waiter != nullptr) {
    Waiter* next = std::exchange(waiter->next, in_order);
    in_order = std::exchange(waiter, next);
  }
  while (in_order != nullptr) {
    Waiter* next = in_order->next;  // Read first: the waiter may be gone once it has run.
    in_order->run(in_order);
    in_order = next;
  }
}

struct CompletionQueue::Link : Waiter {
  State* queue = nullptr;
  Shared<FutureState> state;
  std::size_t index = 0;
};

// Lives until the queue is gone and every link has run or been removed.
struct CompletionQueue::State {
  std::mutex mutex;
  std::condition_variable completed;
  std::deque<std::size_t> ready;
  std::size_t handed_out = 0;
  std::size_t added = 0;
  std::size_t users = 1;  // The queue itself and the links that still run.
  std::deque<Link> links;

  void leave(std::unique_lock<std::mutex> lock) {
    const bool last = --users == 0;
    lock.unlock();
    if (last) {
      delete this;
    }
  }
};

CompletionQueue::CompletionQueue() : state_(new State) {}
CompletionQueue::CompletionQueue(CompletionQueue&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
CompletionQueue& CompletionQueue::operator=(CompletionQueue&& other) noexcept {
  std::swap(state_, other.state_);
  return *this;
}

CompletionQueue::~CompletionQueue() {
  if (state_ == nullptr) {
    return;
  }
  std::size_t removed = 0;
  for (Link& link : state_->links) {
    if (link.state->remove_waiter(&link)) {
      ++removed;
    }
  }
  std::unique_lock lock(state_->mutex);
  state_->users -= removed;
  state_->leave(std::move(lock));
}

void CompletionQueue::add(Shared<FutureState> state, std::size_t index) {
  if (!state) {
    return;
  }
  Link* link = nullptr;
  {
    const std::lock_guard lock(state_->mutex);
    link = &state_->links.emplace_back();
    ++state_->users;
    ++state_->added;
  }
  link->queue = state_;
  link->index = index;
  link->run = [](Waiter* self) noexcept {
    auto* completed = static_cast<Link*>(self);
    std::unique_lock lock(completed->queue->mutex);
    completed->queue->ready.push_back(completed->index);
    completed->queue->completed.notify_one();
    completed->queue->leave(std::move(lock));
  };
  link->state = std::move(state);
  if (!link->state->add_waiter(link)) {
    link->run(link);
  }
}

std::optional<std::size_t> CompletionQueue::next(std::optional<std::chrono::steady_clock::time_point> deadline) {
  std::unique_lock lock(state_->mutex);
  if (state_->handed_out == state_->added) {
    return std::nullopt;
  }
  const auto any = [this] { return !state_->ready.empty(); };
  if (!deadline) {
    state_->completed.wait(lock, any);
  } else if (!state_->completed.wait_until(lock, *deadline, any)) {
    return std::nullopt;
  }
  const std::size_t index = state_->ready.front();
  state_->ready.pop_front();
  ++state_->handed_out;
  return index;
}

}  // namespace tenon::internal
