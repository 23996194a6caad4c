/// tenon/future.hpp: a result that becomes available later.
///
///   std::vector<tenon::Future<tenon::Reply>> futures = ...;        // from runtime.submit
///   for (std::size_t i : tenon::as_completed(futures)) use(futures[i].get());
///
///   auto words = runtime.submit("text.count", argument)
///                    .then([](tenon::Result<tenon::Reply> reply) { ... });
///   tenon::Result<tenon::Reply> reply = co_await runtime.submit("text.count", argument);
///
/// Every future of a runtime completes: each call reaches exactly one terminal state, even on
/// shutdown.
#pragma once

#include <chrono>
#include <cstddef>
#include <iterator>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include <tenon/error.hpp>
#include <tenon/internal/completion_queue.hpp>
#include <tenon/internal/future_awaiter.hpp>
#include <tenon/internal/future_state.hpp>
#include <tenon/internal/then_state.hpp>
#include <tenon/progress.hpp>
#include <tenon/reply.hpp>

namespace tenon {

/// A result that becomes available later. Copies share it. [any-thread], also on copies of one
/// future at once.
template <typename T>
class [[nodiscard]] Future {
 public:
  /// An empty future: `valid()` is false, `get()` returns kInvalidArgument.
  Future() = default;

  [[nodiscard]] bool valid() const noexcept { return static_cast<bool>(state_); }
  /// Whether the call has reached its terminal state.
  [[nodiscard]] bool ready() const noexcept { return state_ && state_->ready(); }
  /// Waits until the call has reached its terminal state. Returns at once if the future is empty.
  void wait() const noexcept;
  /// Waits for at most this long. Returns ready().
  template <typename Rep, typename Period>
  [[nodiscard]] bool wait_for(std::chrono::duration<Rep, Period> duration) const noexcept;
  /// Waits and returns the result. May be called again; if T is move-only, a second call returns
  /// kInvalidArgument.
  [[nodiscard]] Result<T> get() const;

  /// Runs `function(Result<T>)` with the result on the completing thread (immediately if ready) and
  /// returns a future of its return value: U or Result<U>. The function must be short, because it
  /// delays other completions, and must not wait for another future. An exception becomes kFailed.
  /// Cancelling the new future cancels this one.
  template <typename F>
  [[nodiscard]] auto then(F function) const;

  using Awaiter = internal::FutureAwaiter<T>;
  /// `co_await future` returns Result<T>; the coroutine resumes on the completing thread, as with
  /// `then`.
  [[nodiscard]] Awaiter operator co_await() const { return Awaiter(state_); }

  /// Cancels a queued call (it ends as kCancelled; returns true) or asks a running one to stop
  /// (returns false): its task sees the request in `poll`, and a call that keeps running beyond
  /// RuntimeOptions::cancel_grace is killed with its worker. Also returns false if the call is
  /// complete.
  bool cancel() const noexcept { return state_ && state_->cancel(); }
  /// Cancels the call if no worker has started it (true); otherwise does nothing (false).
  bool cancel_queued() const noexcept { return state_ && state_->cancel_queued(); }
  /// Whether a worker has started the call, or the call has ended. A call that is retried counts as
  /// started only while a worker runs it.
  [[nodiscard]] bool started() const noexcept { return state_ && state_->started(); }
  /// The progress that the running task last reported; nullopt if it has reported none.
  [[nodiscard]] std::optional<Progress> progress() const { return state_ ? state_->progress() : std::nullopt; }

  /// For the runtime: makes a handle to a state.
  explicit Future(internal::Shared<internal::TypedState<T>> state) noexcept : state_(std::move(state)) {}
  [[nodiscard]] const internal::Shared<internal::TypedState<T>>& state() const noexcept { return state_; }

 private:
  internal::Shared<internal::TypedState<T>> state_;
};

/// Waits until one future is complete and returns its index; nullopt if `futures` has no valid
/// future.
template <typename T>
[[nodiscard]] std::optional<std::size_t> wait_any(const std::vector<Future<T>>& futures);

/// Like wait_any, but waits at most this long; nullopt if none has completed by then.
template <typename T, typename Rep, typename Period>
[[nodiscard]] std::optional<std::size_t> wait_any_for(const std::vector<Future<T>>& futures,
                                                      std::chrono::duration<Rep, Period> duration);

class CompletionOrder;

/// `for (std::size_t i : as_completed(futures))`. Empty futures are skipped.
template <typename T>
[[nodiscard]] CompletionOrder as_completed(const std::vector<Future<T>>& futures);

/// The indices of several futures, in order of completion: an input range that waits at each step.
/// Single pass, one thread.
class CompletionOrder {
 public:
  class Iterator {
   public:
    using value_type = std::size_t;
    using difference_type = std::ptrdiff_t;
    using iterator_category = std::input_iterator_tag;
    Iterator() = default;
    explicit Iterator(internal::CompletionQueue* queue) : queue_(queue) { ++*this; }
    std::size_t operator*() const noexcept { return *index_; }
    Iterator& operator++() {
      index_ = queue_->next(std::nullopt);
      return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const noexcept { return !index_.has_value(); }

   private:
    internal::CompletionQueue* queue_ = nullptr;
    std::optional<std::size_t> index_;
  };

  explicit CompletionOrder(internal::CompletionQueue queue) : queue_(std::move(queue)) {}
  [[nodiscard]] Iterator begin() { return Iterator(&queue_); }
  [[nodiscard]] std::default_sentinel_t end() const noexcept { return std::default_sentinel; }

 private:
  internal::CompletionQueue queue_;
};

// The definitions of the templates above.

template <typename T>
void Future<T>::wait() const noexcept {
  if (state_) {
    state_->wait();
  }
}

template <typename T>
template <typename Rep, typename Period>
bool Future<T>::wait_for(std::chrono::duration<Rep, Period> duration) const noexcept {
  if (!state_) {
    return false;
  }
  if (const auto deadline = internal::time_point_after(duration)) {
    return state_->wait_until(*deadline);
  }
  state_->wait();
  return true;
}

template <typename T>
Result<T> Future<T>::get() const {
  if (!state_) {
    return internal::empty_future();
  }
  state_->wait();
  return state_->outcome();
}

template <typename T>
template <typename F>
auto Future<T>::then(F function) const {
  using U = typename internal::ThenValue<std::invoke_result_t<F, Result<T>>>::type;
  if (!state_) {
    return Future<U>();
  }
  auto* state = new internal::ThenState<T, U, F>(state_, std::move(function));
  Future<U> future(internal::Shared<internal::TypedState<U>>::adopt(state));
  state->start();
  return future;
}

template <typename T>
std::optional<std::size_t> wait_any(const std::vector<Future<T>>& futures) {
  internal::CompletionQueue queue;
  for (std::size_t i = 0; i < futures.size(); ++i) {
    if (futures[i].ready()) {
      return i;
    }
  }
  for (std::size_t i = 0; i < futures.size(); ++i) {
    queue.add(futures[i].state(), i);
  }
  return queue.next(std::nullopt);
}

template <typename T, typename Rep, typename Period>
std::optional<std::size_t> wait_any_for(const std::vector<Future<T>>& futures,
                                        std::chrono::duration<Rep, Period> duration) {
  internal::CompletionQueue queue;
  for (std::size_t i = 0; i < futures.size(); ++i) {
    queue.add(futures[i].state(), i);
  }
  return queue.next(internal::time_point_after(duration));
}

template <typename T>
CompletionOrder as_completed(const std::vector<Future<T>>& futures) {
  internal::CompletionQueue queue;
  for (std::size_t i = 0; i < futures.size(); ++i) {
    queue.add(futures[i].state(), i);
  }
  return CompletionOrder(std::move(queue));
}

}  // namespace tenon
