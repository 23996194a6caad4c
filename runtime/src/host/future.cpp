#include <tenon/future.hpp>

#include <condition_variable>
#include <deque>
#include <limits>
#include <mutex>

#include "base/clock.hpp"
#include "base/hot.hpp"
#include "platform/doorbell.hpp"

namespace tenon::internal {

namespace {

MonotonicNs to_monotonic(std::chrono::steady_clock::time_point point) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(point.time_since_epoch()).count();
}

constexpr int kAll = std::numeric_limits<int>::max();

}  // namespace

bool FutureState::lock() noexcept {
  std::uint32_t seen = word_.load(std::memory_order_acquire);
  for (;;) {
    if ((seen & kReady) != 0) {
      return false;
    }
    if ((seen & kLocked) == 0) {
      // Acquire, with the release of unlock: the list is as the previous holder left it.
      if (word_.compare_exchange_weak(seen, seen | kLocked, std::memory_order_acquire, std::memory_order_acquire)) {
        return true;
      }
      continue;
    }
    await_unlocked();
    seen = word_.load(std::memory_order_acquire);
  }
}

void FutureState::await_unlocked() noexcept {
  const std::uint32_t seen = word_.fetch_or(kLockAwaited, std::memory_order_acquire) | kLockAwaited;
  if ((seen & kLocked) != 0) {
    static_cast<void>(wait_on_word(word_, seen, kNever));
  }
}

void FutureState::unlock(std::uint32_t set_bits) noexcept {
  std::uint32_t seen = word_.load(std::memory_order_relaxed);
  while (!word_.compare_exchange_weak(seen, (seen & ~(kLocked | kLockAwaited)) | set_bits, std::memory_order_release,
                                      std::memory_order_relaxed)) {
  }
  if ((seen & kLockAwaited) != 0) {
    wake_word(word_, kAll);
  }
}

TENON_HOT void FutureState::wait() const noexcept {
  static_cast<void>(wait_until(std::chrono::steady_clock::time_point::max()));
}

TENON_HOT bool FutureState::wait_until(std::chrono::steady_clock::time_point deadline) const noexcept {
  if (ready()) {
    return true;
  }
  const MonotonicNs deadline_ns = to_monotonic(deadline);
  const_cast<FutureState*>(this)->drive(deadline_ns);
  for (;;) {
    std::uint32_t seen = word_.load(std::memory_order_acquire);
    if ((seen & kReady) != 0) {
      return true;
    }
    if ((seen & kAwaited) == 0) {
      if (!word_.compare_exchange_strong(seen, seen | kAwaited, std::memory_order_relaxed, std::memory_order_relaxed)) {
        continue;
      }
      seen |= kAwaited;
    }
    if (wait_on_word(word_, seen, deadline_ns) == WaitResult::kTimeout) {
      return ready();
    }
  }
}

bool FutureState::add_waiter(Waiter* waiter) noexcept {
  if (!lock()) {
    return false;
  }
  waiter->next = waiters_;
  waiters_ = waiter;
  unlock(kHasWaiters);
  return true;
}

bool FutureState::remove_waiter(Waiter* waiter) noexcept {
  if (!lock()) {
    return false;
  }
  bool found = false;
  for (Waiter** link = &waiters_; *link != nullptr; link = &(*link)->next) {
    if (*link == waiter) {
      *link = waiter->next;
      found = true;
      break;
    }
  }
  unlock(0);
  return found;
}

TENON_HOT void FutureState::publish(std::uint32_t outcome_bits) noexcept {
  // Release: a thread that sees kReady sees the outcome. Acquire: it sees the waiters added before.
  const std::uint32_t before = word_.fetch_or(kReady | outcome_bits, std::memory_order_acq_rel);
  if ((before & kAwaited) != 0) {
    wake_word(word_, kAll);
  }
  if ((before & (kLocked | kHasWaiters)) == 0) {
    return;
  }
  // No thread takes the lock any more; the last holder may still be adding its waiter.
  while ((word_.load(std::memory_order_acquire) & kLocked) != 0) {
    await_unlocked();
  }
  Waiter* waiter = std::exchange(waiters_, nullptr);
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

TypedState<Reply>::~TypedState() {
  const std::uint32_t holds = outcome_bits();
  if ((holds & kHoldsReply) != 0 && body_.reply.storage != nullptr) {
    body_.reply.storage->release();
  } else if ((holds & kHoldsError) != 0) {
    delete body_.error;
  }
}

std::uint32_t TypedState<Reply>::store(Result<Reply> outcome) noexcept {
  if (!outcome) {
    body_.error = new Error(std::move(outcome.error()));
    return kHoldsError;
  }
  const BytesView bytes = outcome->bytes_in_place();
  body_.reply = {.storage = std::move(*outcome).take_storage(), .data = bytes.data(), .size = bytes.size()};
  return kHoldsReply;
}

bool TypedState<Reply>::complete(Result<Reply> outcome) noexcept {
  if (!claim()) {
    return false;
  }
  publish(store(std::move(outcome)));
  return true;
}

Result<Reply> TypedState<Reply>::outcome() const {
  const std::uint32_t holds = outcome_bits();
  if ((holds & kHoldsError) != 0) {
    return fail(*body_.error);
  }
  const ReplyStorage* storage = (holds & kHoldsOwnReply) != 0 ? this : body_.reply.storage;
  return Reply(Shared<const ReplyStorage>::share(storage), BytesView(body_.reply.data, body_.reply.size));
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
  std::size_t users = 1;  // The queue itself and the links that are still to run.
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
