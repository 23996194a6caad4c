/// python/native/process_bound.hpp: objects that belong to the process that created them, and not to forked children.
///
/// A child of os.fork() has copies of runtimes, futures and replies, but none of their threads, and it shares the
/// memory through which the parent talks to its workers. Using or destroying such an object in the child would affect
/// the parent. Therefore these objects are dead in a child: they are neither used, nor shut down, nor released.
#pragma once

#include <cstdint>
#include <new>
#include <utility>

namespace tenon::python {

/// The number of forks that led to this process: it increases by one in each child. Needs the GIL.
[[nodiscard]] std::uint32_t process_generation() noexcept;
/// Called by the hook that Python runs in a child.
void enter_child() noexcept;

/// A T that is destroyed only in the process that created it; in a child it is abandoned.
template <typename T>
class ProcessBound {
 public:
  template <typename... Arguments>
  explicit ProcessBound(Arguments&&... arguments) {
    new (storage_) T(std::forward<Arguments>(arguments)...);
  }
  ProcessBound(const ProcessBound&) = delete;
  ProcessBound& operator=(const ProcessBound&) = delete;
  ~ProcessBound() {
    if (usable()) {
      get().~T();
    }
  }
  /// Whether this is the process that created it.
  [[nodiscard]] bool usable() const noexcept { return generation_ == process_generation(); }
  [[nodiscard]] T& get() noexcept { return *std::launder(reinterpret_cast<T*>(storage_)); }
  [[nodiscard]] const T& get() const noexcept { return *std::launder(reinterpret_cast<const T*>(storage_)); }
  T* operator->() noexcept { return &get(); }
  const T* operator->() const noexcept { return &get(); }

 private:
  alignas(T) unsigned char storage_[sizeof(T)];
  const std::uint32_t generation_ = process_generation();
};

}  // namespace tenon::python
