/// Data that can be accessed only through its lock.
///
///   Guarded<std::vector<int>> numbers;
///   numbers.lock()->push_back(1);
///   auto locked = numbers.lock();            // for more than one step
///   locked.wait(condition, [&] { return !locked->empty(); });
#pragma once

#include <condition_variable>
#include <mutex>
#include <utility>

namespace tenon::internal {

/// A value together with the mutex that guards it. [any-thread]
template <typename T>
class Guarded {
 public:
  /// A held lock and access to the value. Valid as long as the Guarded.
  class Locked {
   public:
    [[nodiscard]] T& operator*() const noexcept { return *value_; }
    [[nodiscard]] T* operator->() const noexcept { return value_; }
    /// Waits on `condition` until `predicate()` holds; the lock is released meanwhile.
    template <typename Predicate>
    void wait(std::condition_variable& condition, Predicate predicate) {
      condition.wait(lock_, std::move(predicate));
    }
    /// Like wait, but at most until a point in time. Returns the predicate's last value.
    template <typename TimePoint, typename Predicate>
    [[nodiscard]] bool wait_until(std::condition_variable& condition, TimePoint until, Predicate predicate) {
      return condition.wait_until(lock_, until, std::move(predicate));
    }
    /// Releases the lock before the end of the scope; the value must not be used afterwards.
    void unlock() { lock_.unlock(); }

   private:
    friend class Guarded;
    Locked(std::mutex& mutex, T& value) : lock_(mutex), value_(&value) {}
    std::unique_lock<std::mutex> lock_;
    T* value_;
  };

  Guarded() = default;
  explicit Guarded(T value) : value_(std::move(value)) {}
  /// Makes the value in place, for one that cannot be moved.
  template <typename... Arguments>
  explicit Guarded(std::in_place_t /*in_place*/, Arguments&&... arguments)
      : value_(std::forward<Arguments>(arguments)...) {}
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;

  [[nodiscard]] Locked lock() { return Locked(mutex_, value_); }

 private:
  std::mutex mutex_;
  T value_;
};

}  // namespace tenon::internal
