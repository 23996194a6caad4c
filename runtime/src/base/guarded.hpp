/// Data that can be accessed only through its lock.
///
///   Guarded<std::vector<int>> numbers;
///   numbers.lock()->push_back(1);
///   numbers.set({1, 2});
///   auto locked = numbers.lock();            // for more than one step
///   locked.wait(condition, [&] { return !locked->empty(); });
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>

namespace tenon::internal {

/// A value together with the mutex that guards it: std::mutex, or a RankedMutex where locks have an order.
/// [any-thread]
template <typename T, typename Mutex = std::mutex>
class Guarded {
 public:
  /// A held lock and access to the value. Valid as long as the Guarded.
  class Locked {
   public:
    [[nodiscard]] T& operator*() const& noexcept { return *value_; }
    /// Not on a temporary: `for (auto& x : *numbers.lock())` releases the lock before the first round.
    T& operator*() const&& = delete;
    [[nodiscard]] T* operator->() const noexcept { return value_; }
    /// Waits on `condition` until `predicate()` holds; the lock is released meanwhile.
    template <typename Predicate>
    void wait(std::condition_variable& condition, Predicate predicate) {
      const Native native(lock_);
      condition.wait(native.lock(), std::move(predicate));
    }
    /// Like wait, but at most until the time `until`. Returns the predicate's last value.
    template <typename TimePoint, typename Predicate>
    [[nodiscard]] bool wait_until(std::condition_variable& condition, TimePoint until, Predicate predicate) {
      const Native native(lock_);
      return condition.wait_until(native.lock(), until, std::move(predicate));
    }
    /// Releases the lock before the end of the scope; the value must not be used afterwards.
    void unlock() { lock_.unlock(); }

   private:
    friend class Guarded;

    /// The lock as condition variables take it. The thread counts as holding a ranked mutex while it waits.
    class Native {
     public:
      explicit Native(std::unique_lock<Mutex>& held) : held_(held) {
        if constexpr (!std::is_same_v<Mutex, std::mutex>) {
          native_ = std::unique_lock(held.mutex()->native(), std::adopt_lock);
        }
      }
      ~Native() {
        if constexpr (!std::is_same_v<Mutex, std::mutex>) {
          native_.release();
        }
      }
      Native(const Native&) = delete;
      Native& operator=(const Native&) = delete;
      [[nodiscard]] std::unique_lock<std::mutex>& lock() const noexcept {
        if constexpr (std::is_same_v<Mutex, std::mutex>) {
          return held_;
        } else {
          return native_;
        }
      }

     private:
      std::unique_lock<Mutex>& held_;
      mutable std::unique_lock<std::mutex> native_;
    };

    Locked(Mutex& mutex, T& value) : lock_(mutex), value_(&value) {}
    Locked(std::unique_lock<Mutex> lock, T& value) : lock_(std::move(lock)), value_(&value) {}
    std::unique_lock<Mutex> lock_;
    T* value_;
  };

  Guarded() = default;
  explicit Guarded(T value) : value_(std::move(value)) {}
  /// Constructs the value in place, for types that cannot be moved.
  template <typename... Arguments>
  explicit Guarded(std::in_place_t /*in_place*/, Arguments&&... arguments)
      : value_(std::forward<Arguments>(arguments)...) {}
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;

  [[nodiscard]] Locked lock() { return Locked(mutex_, value_); }
  /// Returns a copy of the value.
  [[nodiscard]] T get() {
    const Locked locked = lock();
    return *locked;
  }
  void set(T value) {
    const Locked locked = lock();
    *locked = std::move(value);
  }
  /// Returns the value and leaves an empty one in its place.
  [[nodiscard]] T take() {
    const Locked locked = lock();
    return std::exchange(*locked, T());
  }
  /// Like lock, but returns nullopt if another thread holds the lock.
  [[nodiscard]] std::optional<Locked> try_lock() {
    std::unique_lock<Mutex> lock(mutex_, std::try_to_lock);
    return lock.owns_lock() ? std::optional(Locked(std::move(lock), value_)) : std::nullopt;
  }

 private:
  Mutex mutex_;
  T value_;
};

}  // namespace tenon::internal
