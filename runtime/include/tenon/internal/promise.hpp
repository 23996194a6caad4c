/// tenon/internal/promise.hpp: makes futures that are not backed by a call. For use by the runtime
/// only.
#pragma once

#include <utility>

#include <tenon/future.hpp>

namespace tenon::internal {

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

}  // namespace tenon::internal
