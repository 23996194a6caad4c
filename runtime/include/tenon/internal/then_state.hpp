/// tenon/internal/then_state.hpp: the state of Future::then. For use by the public headers only.
#pragma once

#include <exception>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include <tenon/internal/future_state.hpp>

namespace tenon::internal {

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

}  // namespace tenon::internal
