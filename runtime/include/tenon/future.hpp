/// tenon/future.hpp: a result that comes later.
///
///   std::vector<tenon::Future<tenon::Reply>> futures = ...;        // from runtime.submit
///   for (std::size_t i : tenon::as_completed(futures)) use(futures[i].get());
///
///   auto words = runtime.submit("text.count", argument).then([](tenon::Result<tenon::Reply> reply) { ... });
///   tenon::Result<tenon::Reply> reply = co_await runtime.submit("text.count", argument);
///
/// Every future of a runtime completes: each call reaches exactly one terminal state, a shutdown included.
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

/// Progress of a running call, as the task reported it.
struct Progress {
  std::uint64_t done = 0;
  std::uint64_t total = 0;  ///< 0 when the task does not know.
};

namespace internal {

/// Something to do when a state completes; a link of the state's list. Whoever adds it keeps it alive until it has
/// run or has been removed.
struct Waiter {
  Waiter* next = nullptr;
  /// Runs once, on the completing thread. May destroy `self`.
  void (*run)(Waiter* self) noexcept = nullptr;
};

/// The untyped part of what the handles of one future share: completion and waiters. May be the storage of its own
/// result. [any-thread]
class FutureState : public ReplyStorage {
 public:
  // Acquire: whoever sees it ready sees the outcome.
  [[nodiscard]] bool ready() const noexcept { return (word_.load(std::memory_order_acquire) & kReady) != 0; }
  void wait() const noexcept;
  /// Returns ready().
  bool wait_until(std::chrono::steady_clock::time_point deadline) const noexcept;

  /// False when the state is complete; the waiter has then not been added.
  [[nodiscard]] bool add_waiter(Waiter* waiter) noexcept;
  /// False when the waiter has run, or is about to.
  bool remove_waiter(Waiter* waiter) noexcept;

  /// See Future.
  virtual bool cancel() noexcept { return false; }
  virtual bool cancel_queued() noexcept { return false; }
  [[nodiscard]] virtual bool started() const noexcept { return ready(); }
  [[nodiscard]] virtual std::optional<Progress> progress() const { return std::nullopt; }

 protected:
  // Bits of the word. The rest is for the typed part: what the outcome is, stored by publish.
  static constexpr std::uint32_t kReady = 1;
  static constexpr std::uint32_t kClaimed = 2;
  static constexpr std::uint32_t kFirstOutcomeBit = 64;

  /// True for the one caller who may store the outcome.
  [[nodiscard]] bool claim() noexcept { return (word_.fetch_or(kClaimed, std::memory_order_acq_rel) & kClaimed) == 0; }
  /// Makes the stored outcome visible, wakes who waits and runs the waiters. After a claim, once. The caller holds a
  /// reference.
  void publish(std::uint32_t outcome_bits = 0) noexcept;
  [[nodiscard]] std::uint32_t outcome_bits() const noexcept {
    return word_.load(std::memory_order_acquire) & ~(kFirstOutcomeBit - 1);
  }
  /// Works towards the completion on the thread that waits for it, until it is there or `deadline_ns` of the monotonic
  /// clock. May return early; the thread then sleeps.
  virtual void drive(std::int64_t deadline_ns) noexcept { static_cast<void>(deadline_ns); }

 private:
  static constexpr std::uint32_t kAwaited = 4;       // A thread sleeps until the state is ready.
  static constexpr std::uint32_t kLocked = 8;        // Guards waiters_; never taken once the state is ready.
  static constexpr std::uint32_t kLockAwaited = 16;  // A thread sleeps until the lock is free.
  static constexpr std::uint32_t kHasWaiters = 32;

  /// False when the state is ready.
  [[nodiscard]] bool lock() noexcept;
  void unlock(std::uint32_t set_bits) noexcept;
  void await_unlocked() noexcept;

  mutable std::atomic<std::uint32_t> word_{0};
  Waiter* waiters_ = nullptr;  // In reverse order of adding.
};

/// The typed part: holds the outcome. Errors are rare and large, so they stand outside.
template <typename T>
class TypedState : public FutureState {
 public:
  /// Stores the outcome unless there is one. Returns whether it did.
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

  /// The outcome of a complete state: a copy, or where T moves only, the value itself, once.
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
  std::atomic<bool> taken_{false};  // Move-only values alone.
};

/// The state of a call, of which there may be millions: small, and the storage of a small result itself.
template <>
class TypedState<Reply> : public FutureState {
 public:
  TypedState() noexcept {}
  /// Stores the outcome unless there is one. Returns whether it did.
  bool complete(Result<Reply> outcome) noexcept;
  /// The outcome of a complete state.
  [[nodiscard]] Result<Reply> outcome() const;

 protected:
  static constexpr std::uint32_t kHoldsReply = kFirstOutcomeBit;  // body_.reply, with a reference to its storage.
  static constexpr std::uint32_t kHoldsOwnReply = kFirstOutcomeBit * 2;  // The same in memory of this object.
  static constexpr std::uint32_t kHoldsError = kFirstOutcomeBit * 4;     // body_.error

  ~TypedState() override;
  /// For `publish`, after the claim.
  [[nodiscard]] std::uint32_t store(Result<Reply> outcome) noexcept;

  struct RawReply {
    const ReplyStorage* storage;
    const std::uint8_t* data;
    std::size_t size;
  };
  /// Until the outcome is stored, for whoever completes the state.
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

/// State of `then`: waits for the parent and passes its outcome through a function.
template <typename T, typename U, typename F>
class ThenState final : public TypedState<U>, public Waiter {
 public:
  ThenState(Shared<TypedState<T>> parent, F function) : parent_(std::move(parent)), function_(std::move(function)) {
    run = [](Waiter* self) noexcept { static_cast<ThenState*>(self)->finish(); };
  }
  /// Takes a reference of its own for as long as the parent is pending.
  void start() noexcept {
    this->add_reference();
    if (!parent_->add_waiter(this)) {
      finish();
    }
  }
  // The parent stays until the end, so that these may be called at any time.
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
      return fail(ErrorCode::kFailed, "the function given to then() threw something that is no std::exception");
    }
  }
  Shared<TypedState<T>> parent_;
  F function_;
};

/// Several states waited for at once; gives their indices in the order of completion. One thread waits.
class CompletionQueue {
 public:
  CompletionQueue();
  ~CompletionQueue();
  CompletionQueue(CompletionQueue&&) noexcept;
  CompletionQueue& operator=(CompletionQueue&&) noexcept;
  void add(Shared<FutureState> state, std::size_t index);
  /// The next completed one; nullopt after the last, or when the deadline has passed.
  [[nodiscard]] std::optional<std::size_t> next(std::optional<std::chrono::steady_clock::time_point> deadline);

 private:
  struct State;
  struct Link;
  State* state_;
};

/// `now + duration` without overflow; nullopt when that is beyond the clock.
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

/// A result that comes later. Copies share it. [any-thread], also on copies of one future at once.
template <typename T>
class [[nodiscard]] Future {
 public:
  /// Belongs to no call: `valid()` is false, `get()` is kInvalidArgument.
  Future() = default;

  [[nodiscard]] bool valid() const noexcept { return static_cast<bool>(state_); }
  /// Whether the call has reached its terminal state.
  [[nodiscard]] bool ready() const noexcept { return state_ && state_->ready(); }
  void wait() const noexcept {
    if (state_) {
      state_->wait();
    }
  }
  /// Waits at most so long. Returns ready().
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
  /// Waits and gives the result. May be called again; where T can only be moved, a second time is kInvalidArgument.
  [[nodiscard]] Result<T> get() const {
    if (!state_) {
      return fail(ErrorCode::kInvalidArgument, "this future belongs to no call; use one that submit gave");
    }
    state_->wait();
    return state_->outcome();
  }
  /// Ends a call that is still queued (as kCancelled; true) or asks a running one to stop (false): its task sees it in
  /// `poll`, and one that goes on beyond RuntimeOptions::cancel_grace is killed with its worker. False also when it is
  /// complete.
  bool cancel() const noexcept { return state_ && state_->cancel(); }
  /// Ends the call as kCancelled if no worker has begun it (true), and otherwise leaves it as it is (false).
  bool cancel_queued() const noexcept { return state_ && state_->cancel_queued(); }
  /// Whether a worker has begun the call, or it has ended. One that is tried again counts as begun only while a worker
  /// runs it.
  [[nodiscard]] bool started() const noexcept { return state_ && state_->started(); }
  /// What the running task last reported; nullopt when it has reported nothing.
  [[nodiscard]] std::optional<Progress> progress() const { return state_ ? state_->progress() : std::nullopt; }

  /// Runs `function(Result<T>)` with the result, on the completing thread (at once when ready), and gives a future of
  /// what it returns: U or Result<U>. Short work alone: it holds up other completions. It must not wait for another
  /// future. What it throws becomes kFailed. Cancelling the new future cancels this one.
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

  /// `co_await future` gives Result<T>; the coroutine goes on on the completing thread, as `then` does.
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
        return fail(ErrorCode::kInvalidArgument, "this future belongs to no call; use one that submit gave");
      }
      return state_->outcome();
    }

   private:
    internal::Shared<internal::TypedState<T>> state_;
    std::coroutine_handle<> handle_;
  };
  [[nodiscard]] Awaiter operator co_await() const { return Awaiter(state_); }

  /// For the runtime: makes a handle on a state.
  explicit Future(internal::Shared<internal::TypedState<T>> state) noexcept : state_(std::move(state)) {}
  [[nodiscard]] const internal::Shared<internal::TypedState<T>>& state() const noexcept { return state_; }

 private:
  internal::Shared<internal::TypedState<T>> state_;
};

namespace internal {

/// The giving side of a future that no call stands behind. Copies share; the first `complete` counts.
template <typename T>
class Promise {
 public:
  Promise() : state_(Shared<TypedState<T>>::adopt(new TypedState<T>)) {}
  [[nodiscard]] Future<T> future() const { return Future<T>(state_); }
  bool complete(Result<T> outcome) const noexcept {
    // A reference of its own: who waits may destroy this promise as soon as it sees the outcome.
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

/// Index of a future that is complete, waiting for the first; nullopt when `futures` holds none.
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

/// The same, at most so long; nullopt when none has completed by then.
template <typename T, typename Rep, typename Period>
[[nodiscard]] std::optional<std::size_t> wait_any_for(const std::vector<Future<T>>& futures,
                                                      std::chrono::duration<Rep, Period> duration) {
  internal::CompletionQueue queue;
  for (std::size_t i = 0; i < futures.size(); ++i) {
    queue.add(futures[i].state(), i);
  }
  return queue.next(internal::time_point_after(duration));
}

/// The indices of some futures, in the order of their completion: an input range that waits at each step. One pass, one
/// thread.
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

/// `for (std::size_t i : as_completed(futures))`. Futures without a call are left out.
template <typename T>
[[nodiscard]] CompletionOrder as_completed(const std::vector<Future<T>>& futures) {
  internal::CompletionQueue queue;
  for (std::size_t i = 0; i < futures.size(); ++i) {
    queue.add(futures[i].state(), i);
  }
  return CompletionOrder(std::move(queue));
}

}  // namespace tenon
