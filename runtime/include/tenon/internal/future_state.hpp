/// tenon/internal/future_state.hpp: the state that the handles of one future share. For use by the
/// public headers only.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include <tenon/error.hpp>
#include <tenon/internal/shared_object.hpp>
#include <tenon/progress.hpp>
#include <tenon/reply.hpp>

namespace tenon::internal {

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

/// The result of a future that has no state.
[[nodiscard]] inline tl::unexpected<Error> empty_future() {
  return fail(ErrorCode::kInvalidArgument, "this future belongs to no call; use one that submit returned");
}

}  // namespace tenon::internal
