/// tenon/internal/shared_object.hpp: intrusively reference-counted objects. For use by the public
/// headers only.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

namespace tenon::internal {

/// An object kept alive by several handles. Created with one reference, which Shared::adopt takes
/// over. [any-thread]
class SharedObject {
 public:
  SharedObject() = default;
  SharedObject(const SharedObject&) = delete;
  SharedObject& operator=(const SharedObject&) = delete;

  // Relaxed: a caller that adds a reference already holds one, so this publishes nothing.
  void add_reference() const noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
  void release() const noexcept {
    // acq_rel: the last holder sees every other holder's changes before it destroys the object. A
    // sole holder stays the sole one, so a load (acquire, for the same reason) and a store are
    // enough.
    bool last = references_.load(std::memory_order_acquire) == 1;
    if (last) {
      references_.store(0, std::memory_order_relaxed);
    } else {
      last = references_.fetch_sub(1, std::memory_order_acq_rel) == 1;
    }
    if (last) {
      const_cast<SharedObject*>(this)->destroy();
    }
  }

  /// Whether there is exactly one handle. Only the owner of that handle can rely on it.
  [[nodiscard]] bool unique() const noexcept { return references_.load(std::memory_order_acquire) == 1; }

 protected:
  virtual ~SharedObject() = default;
  /// Frees the object; a pooled object returns itself to its pool here. There are no references
  /// left.
  virtual void destroy() noexcept { delete this; }

 private:
  mutable std::atomic<std::uint32_t> references_{1};
};

/// A reference-counted handle to a SharedObject; 8 bytes.
template <typename T>
class Shared {
 public:
  Shared() noexcept = default;
  Shared(std::nullptr_t) noexcept {}  // NOLINT(google-explicit-constructor): like a pointer
  /// Takes over an existing reference, such as the one `object` was created with.
  [[nodiscard]] static Shared adopt(T* object) noexcept {
    Shared handle;
    handle.object_ = object;
    return handle;
  }
  /// A further handle to an object that another handle keeps alive during the call.
  [[nodiscard]] static Shared share(T* object) noexcept {
    if (object != nullptr) {
      object->add_reference();
    }
    return adopt(object);
  }
  Shared(const Shared& other) noexcept : object_(other.object_) {
    if (object_ != nullptr) {
      object_->add_reference();
    }
  }
  Shared(Shared&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  template <typename Other>
  requires std::is_convertible_v<Other*, T*> Shared(Shared<Other> other)
  noexcept : object_(other.take()) {}  // NOLINT(google-explicit-constructor): like a pointer
  Shared& operator=(Shared other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~Shared() {
    if (object_ != nullptr) {
      object_->release();
    }
  }
  [[nodiscard]] T* get() const noexcept { return object_; }
  /// Releases the reference to the caller.
  [[nodiscard]] T* take() noexcept { return std::exchange(object_, nullptr); }
  T* operator->() const noexcept { return object_; }
  T& operator*() const noexcept { return *object_; }
  explicit operator bool() const noexcept { return object_ != nullptr; }
  friend bool operator==(const Shared& handle, std::nullptr_t) noexcept { return handle.object_ == nullptr; }

 private:
  T* object_ = nullptr;
};

/// Creates a T and returns the first handle to it.
template <typename T, typename... Arguments>
[[nodiscard]] Shared<T> make_shared_object(Arguments&&... arguments) {
  return Shared<T>::adopt(new T(std::forward<Arguments>(arguments)...));
}

}  // namespace tenon::internal
