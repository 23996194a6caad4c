/// tenon/internal/future_awaiter.hpp: `co_await` on a future. For use by the public headers only.
#pragma once

#include <coroutine>
#include <utility>

#include <tenon/internal/future_state.hpp>

namespace tenon::internal {

/// What a coroutine waits on. It resumes on the completing thread.
template <typename T>
class FutureAwaiter : Waiter {
 public:
  explicit FutureAwaiter(Shared<TypedState<T>> state) : state_(std::move(state)) {}
  [[nodiscard]] bool await_ready() const noexcept { return !state_ || state_->ready(); }
  [[nodiscard]] bool await_suspend(std::coroutine_handle<> handle) noexcept {
    handle_ = handle;
    this->run = [](Waiter* self) noexcept { static_cast<FutureAwaiter*>(self)->handle_.resume(); };
    return state_->add_waiter(this);
  }
  [[nodiscard]] Result<T> await_resume() const {
    if (!state_) {
      return empty_future();
    }
    return state_->outcome();
  }

 private:
  Shared<TypedState<T>> state_;
  std::coroutine_handle<> handle_;
};

}  // namespace tenon::internal
