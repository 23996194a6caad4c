/// python/native/process_bound.hpp: what belongs to the process that made it, and not to children that were forked.
///
/// A child of os.fork() has copies of runtimes, futures and replies, but none of their threads, and it shares the
/// memory in which the parent talks to its workers. Using or destroying one of them there would act on the parent. They
/// are therefore dead in a child: nothing is called, shut down or given back.
#pragma once

#include <cstdint>
#include <new>
#include <utility>

namespace tenon::python {

/// Number of this process among the forks that led to it: it rises by one in each child. With the GIL.
[[nodiscard]] std::uint32_t process_generation() noexcept;
/// For the hook that Python calls in a child.
void enter_child() noexcept;

/// A T that is only destroyed in the process that made it; in a child it is left behind.
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
  /// Whether this is the process that made it.
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
