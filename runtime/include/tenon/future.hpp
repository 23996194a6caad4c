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

#include <atomic>
#include <chrono>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <iterator>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <tenon/error.hpp>
#include <tenon/internal/shared_object.hpp>
#include <tenon/reply.hpp>

namespace tenon {

/// Progress of a running call, as last reported by the task.
struct Progress {
  std::uint64_t done = 0;
  std::uint64_t total = 0;  ///< 0 if the task does not know it.
};

namespace internal {

/// A callback for the completion of a state; a node of the state's list. The object that adds it
/// keeps it alive until it has run or has been removed.
struct Waiter {
  Waiter* next = nullptr;
  /// Runs once, on the completing thread. May destroy `self`.
  void (*run)(Waiter* self) noexcept = nullptr;
};

/// The untyped part of the state that the handles of one future share: completion and waiters. May
/// be the storage of its own result. [any-thread]
class FutureState : public ReplyStorage {
 public:
  // Acquire: a reader that sees the state ready also sees the outcome.
  [[nodiscard]] bool ready() const noexcept { return (word_.load(std::memory_order_acquire) & kReady) != 0; }
  void wait() const noexcept;
  /// Returns ready().
  bool wait_until(std::chrono::steady_clock::time_point deadline) const noexcept;

  /// Returns false, without adding the waiter, if the state is complete.
  [[nodiscard]] bool add_waiter(Waiter* waiter) noexcept;
  /// Returns false if the waiter has run or is about to.
  bool remove_waiter(Waiter* waiter) noexcept;

  /// See Future.
  virtual bool cancel() noexcept { return false; }
  virtual bool cancel_queued() noexcept { return false; }
  [[nodiscard]] virtual bool started() const noexcept { return ready(); }
  [[nodiscard]] virtual std::optional<Progress> progress() const { return std::nullopt; }

 protected:
  // Bits of `word_`. The remaining bits belong to the typed part: the kind of outcome, stored by
  // publish.
  static constexpr std::uint32_t kReady = 1;
  static constexpr std::uint32_t kClaimed = 2;
  static constexpr std::uint32_t kFirstOutcomeBit = 64;

  /// Returns true for the one caller that may store the outcome.
  [[nodiscard]] bool claim() noexcept { return (word_.fetch_or(kClaimed, std::memory_order_acq_rel) & kClaimed) == 0; }
  /// Makes the stored outcome visible, wakes waiting threads and runs the waiters. Called once,
  /// after a claim; the caller holds a reference.
  void publish(std::uint32_t outcome_bits = 0) noexcept;
  [[nodiscard]] std::uint32_t outcome_bits() const noexcept {
    return word_.load(std::memory_order_acquire) & ~(kFirstOutcomeBit - 1);
  }
  /// Drives the completion on the waiting thread until the state is complete or `deadline_ns` of
  /// the monotonic clock has passed. May return early; the thread then sleeps.
  virtual void drive(std::int64_t deadline_ns) noexcept { static_cast<void>(deadline_ns); }

 private:
  static constexpr std::uint32_t kAwaited = 4;  // A thread sleeps until the state is ready.
  // Guards waiters_; never taken once the state is ready.
  static constexpr std::uint32_t kLocked = 8;
  static constexpr std::uint32_t kLockAwaited = 16;  // A thread sleeps until the lock is free.
  static constexpr std::uint32_t kHasWaiters = 32;

  /// Returns false if the state is ready.
  [[nodiscard]] bool lock() noexcept;
  void unlock(std::uint32_t set_bits) noexcept;
  void await_unlocked() noexcept;

  mutable std::atomic<std::uint32_t> word_{0};
  Waiter* waiters_ = nullptr;  // In reverse order of insertion.
};

/// The typed part: holds the outcome. Errors are rare and large, so they are allocated separately.
template <typename T>
class TypedState : public FutureState {
 public:
  /// Stores the outcome unless one is stored already. Returns whether it was stored.
  bool complete(Result<T> outcome) noexcept {
    if (!claim()) {
      return false;
    }
    if (outcome) {
      if constexpr (std::is_void_v<T>) {
        value_.emplace();
      } else {
        value_.emplace(*std::move(outcome));
      }
    } else {
      error_ = std::make_unique<Error>(std::move(outcome.error()));
    }
    publish();
    return true;
  }

  /// The outcome of a complete state: a copy or, if T is move-only, the value itself, once.
  [[nodiscard]] Result<T> outcome() {
    if (error_ != nullptr) {
      return fail(*error_);
    }
    if constexpr (std::is_void_v<T>) {
      return {};
    } else if constexpr (std::is_copy_constructible_v<T>) {
      return *value_;
    } else {
      if (taken_.exchange(true)) {
        return fail(ErrorCode::kInvalidArgument, "the future's value has been taken; it can be moved out only once");
      }
      return std::move(*value_);
    }
  }

 protected:
  using Value = std::conditional_t<std::is_void_v<T>, std::monostate, T>;
  std::optional<Value> value_;
  std::unique_ptr<Error> error_;
  std::atomic<bool> taken_{false};  // Used only for move-only values.
};

/// The state of a call. There may be millions of them, so it is small and stores a small result
/// itself.
template <>
class TypedState<Reply> : public FutureState {
 public:
  TypedState() noexcept {}
  /// Stores the outcome unless one is stored already. Returns whether it was stored.
  bool complete(Result<Reply> outcome) noexcept;
  /// The outcome of a complete state.
  [[nodiscard]] Result<Reply> outcome() const;

 protected:
  // body_.reply, with a reference to its storage.
  static constexpr std::uint32_t kHoldsReply = kFirstOutcomeBit;
  // body_.reply, with its bytes in this object.
  static constexpr std::uint32_t kHoldsOwnReply = kFirstOutcomeBit * 2;
  static constexpr std::uint32_t kHoldsError = kFirstOutcomeBit * 4;  // body_.error

  ~TypedState() override;
  /// Stores the outcome after the claim; returns the bits for `publish`.
  [[nodiscard]] std::uint32_t store(Result<Reply> outcome) noexcept;

  struct RawReply {
    const ReplyStorage* storage;
    const std::uint8_t* data;
    std::size_t size;
  };
  /// Used, until the outcome is stored, by the component that completes the state.
  struct Pending {
    void* next;
    void* previous;
    std::uint64_t number;
  };
  union Body {
    Pending pending;
    RawReply reply;
    Error* error;
  };
  Body body_{.pending = {}};
};

template <typename U>
struct ThenValue {
  using type = U;
};
template <typename U>
struct ThenValue<Result<U>> {
  using type = U;
};

/// State of `then`: waits for the parent and passes the parent's outcome to a function.
template <typename T, typename U, typename F>
class ThenState final : public TypedState<U>, public Waiter {
 public:
  ThenState(Shared<TypedState<T>> parent, F function) : parent_(std::move(parent)), function_(std::move(function)) {
    run = [](Waiter* self) noexcept { static_cast<ThenState*>(self)->finish(); };
  }
  /// Holds a reference to itself while the parent is pending.
  void start() noexcept {
    this->add_reference();
    if (!parent_->add_waiter(this)) {
      finish();
    }
  }
  // The parent stays alive as long as this state, so these may be called at any time.
  bool cancel() noexcept override { return parent_->cancel(); }
  bool cancel_queued() noexcept override { return parent_->cancel_queued(); }
  [[nodiscard]] bool started() const noexcept override { return parent_->started(); }
  [[nodiscard]] std::optional<Progress> progress() const override { return parent_->progress(); }

 private:
  void finish() noexcept {
    this->complete(apply());
    this->release();
  }
  Result<U> apply() noexcept {
    try {
      if constexpr (std::is_void_v<std::invoke_result_t<F, Result<T>>>) {
        function_(parent_->outcome());
        return {};
      } else {
        return function_(parent_->outcome());
      }
    } catch (const std::exception& exception) {
      return fail(ErrorCode::kFailed, std::string("the function given to then() threw: ") + exception.what());
    } catch (...) {
      return fail(ErrorCode::kFailed, "the function given to then() threw something that is not a std::exception");
    }
  }
  Shared<TypedState<T>> parent_;
  F function_;
};

/// Waits for several states at once; returns their indices in the order of completion. One thread
/// waits.
class CompletionQueue {
 public:
  CompletionQueue();
  ~CompletionQueue();
  CompletionQueue(CompletionQueue&&) noexcept;
  CompletionQueue& operator=(CompletionQueue&&) noexcept;
  void add(Shared<FutureState> state, std::size_t index);
  /// The index of the next completed state; nullopt after the last, or once the deadline has
  /// passed.
  [[nodiscard]] std::optional<std::size_t> next(std::optional<std::chrono::steady_clock::time_point> deadline);

 private:
  struct State;
  struct Link;
  State* state_;
};

/// `now + duration` without overflow; nullopt if it is beyond the clock's range.
template <typename Rep, typename Period>
[[nodiscard]] std::optional<std::chrono::steady_clock::time_point> time_point_after(
    std::chrono::duration<Rep, Period> duration) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point now = Clock::now();
  const std::chrono::duration<double> room = Clock::time_point::max() - now;
  if (std::chrono::duration<double>(duration) >= room * 0.5) {
    return std::nullopt;
  }
  return now + std::chrono::ceil<Clock::duration>(duration);
}

}  // namespace internal

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
  void wait() const noexcept {
    if (state_) {
      state_->wait();
    }
  }
  /// Waits for at most this long. Returns ready().
  template <typename Rep, typename Period>
  [[nodiscard]] bool wait_for(std::chrono::duration<Rep, Period> duration) const noexcept {
    if (!state_) {
      return false;
    }
    if (const auto deadline = internal::time_point_after(duration)) {
      return state_->wait_until(*deadline);
    }
    state_->wait();
    return true;
  }
  /// Waits and returns the result. May be called again; if T is move-only, a second call returns
  /// kInvalidArgument.
  [[nodiscard]] Result<T> get() const {
    if (!state_) {
      return fail(ErrorCode::kInvalidArgument, "this future belongs to no call; use one that submit returned");
    }
    state_->wait();
    return state_->outcome();
  }
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

  /// Runs `function(Result<T>)` with the result on the completing thread (immediately if ready) and
  /// returns a future of its return value: U or Result<U>. The function must be short, because it
  /// delays other completions, and must not wait for another future. An exception becomes kFailed.
  /// Cancelling the new future cancels this one.
  template <typename F>
  [[nodiscard]] auto then(F function) const {
    using U = typename internal::ThenValue<std::invoke_result_t<F, Result<T>>>::type;
    if (!state_) {
      return Future<U>();
    }
    auto* state = new internal::ThenState<T, U, F>(state_, std::move(function));
    Future<U> future(internal::Shared<internal::TypedState<U>>::adopt(state));
    state->start();
    return future;
  }

  /// `co_await future` returns Result<T>; the coroutine resumes on the completing thread, as with
  /// `then`.
  class Awaiter : internal::Waiter {
   public:
    explicit Awaiter(internal::Shared<internal::TypedState<T>> state) : state_(std::move(state)) {}
    [[nodiscard]] bool await_ready() const noexcept { return !state_ || state_->ready(); }
    [[nodiscard]] bool await_suspend(std::coroutine_handle<> handle) noexcept {
      handle_ = handle;
      this->run = [](internal::Waiter* self) noexcept { static_cast<Awaiter*>(self)->handle_.resume(); };
      return state_->add_waiter(this);
    }
    [[nodiscard]] Result<T> await_resume() const {
      if (!state_) {
        return fail(ErrorCode::kInvalidArgument, "this future belongs to no call; use one that submit returned");
      }
      return state_->outcome();
    }

   private:
    internal::Shared<internal::TypedState<T>> state_;
    std::coroutine_handle<> handle_;
  };
  [[nodiscard]] Awaiter operator co_await() const { return Awaiter(state_); }

  /// For the runtime: makes a handle to a state.
  explicit Future(internal::Shared<internal::TypedState<T>> state) noexcept : state_(std::move(state)) {}
  [[nodiscard]] const internal::Shared<internal::TypedState<T>>& state() const noexcept { return state_; }

 private:
  internal::Shared<internal::TypedState<T>> state_;
};

namespace internal {

/// The producing side of a future that is not backed by a call. Copies share; the first `complete`
/// wins.
template <typename T>
class Promise {
 public:
  Promise() : state_(Shared<TypedState<T>>::adopt(new TypedState<T>)) {}
  [[nodiscard]] Future<T> future() const { return Future<T>(state_); }
  bool complete(Result<T> outcome) const noexcept {
    // Holds its own reference: a waiting thread may destroy this promise as soon as it sees the
    // outcome.
    const Shared<TypedState<T>> state = state_;
    return state->complete(std::move(outcome));
  }

 private:
  Shared<TypedState<T>> state_;
};

/// A future that is complete from the start.
template <typename T>
[[nodiscard]] Future<T> completed_future(Result<T> outcome) {
  Promise<T> promise;
  promise.complete(std::move(outcome));
  return promise.future();
}

}  // namespace internal

/// Waits until one future is complete and returns its index; nullopt if `futures` has no valid
/// future.
template <typename T>
[[nodiscard]] std::optional<std::size_t> wait_any(const std::vector<Future<T>>& futures) {
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

/// Like wait_any, but waits at most this long; nullopt if none has completed by then.
template <typename T, typename Rep, typename Period>
[[nodiscard]] std::optional<std::size_t> wait_any_for(const std::vector<Future<T>>& futures,
                                                      std::chrono::duration<Rep, Period> duration) {
  internal::CompletionQueue queue;
  for (std::size_t i = 0; i < futures.size(); ++i) {
    queue.add(futures[i].state(), i);
  }
  return queue.next(internal::time_point_after(duration));
}

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

/// `for (std::size_t i : as_completed(futures))`. Empty futures are skipped.
template <typename T>
[[nodiscard]] CompletionOrder as_completed(const std::vector<Future<T>>& futures) {
  internal::CompletionQueue queue;
  for (std::size_t i = 0; i < futures.size(); ++i) {
    queue.add(futures[i].state(), i);
  }
  return CompletionOrder(std::move(queue));
}

}  // namespace tenon
