/// python/native/completions.hpp: futures that complete, gathered until Python has time for them.
///
/// A future completes on a thread of the runtime, which must never wait for the GIL. It adds a link to a lock-free list
/// and rings a bell; a thread of Python, or an asyncio event loop that watches the bell's descriptor, takes the whole
/// list at once.
#pragma once

#include <atomic>
#include <memory>

#include <tenon/future.hpp>

#include "platform/reactor/poller.hpp"
#include "python/native/process_bound.hpp"
#include "python/native/ref.hpp"

namespace tenon::python {

/// The list and its bell. [any-thread]
class CompletionList {
 public:
  /// One future that is watched. `token` is owned by the thread that takes it.
  struct Link : internal::Waiter {
    Link* following = nullptr;
    std::shared_ptr<CompletionList> list;
    internal::Shared<internal::FutureState> state;
    PyObject* token = nullptr;
  };

  explicit CompletionList(internal::EventBell bell) noexcept : bell_(std::move(bell)) {}
  CompletionList(const CompletionList&) = delete;
  CompletionList& operator=(const CompletionList&) = delete;

  [[nodiscard]] const internal::EventBell& bell() const noexcept { return bell_; }
  /// Adds a link. Without the GIL; never waits.
  void push(Link* link) noexcept;
  /// All links so far, the oldest first; null when there are none.
  [[nodiscard]] Link* take() noexcept;
  /// What comes from now on is dropped.
  void close() noexcept;
  [[nodiscard]] bool closed() const noexcept { return closed_.load(std::memory_order_acquire); }

 private:
  internal::EventBell bell_;
  // Release and acquire: who takes a link sees what was written into it.
  std::atomic<Link*> head_{nullptr};
  // Sequentially consistent with head_: either push sees the end, or close sees the link.
  std::atomic<bool> closed_{false};
};

/// Watches a future: when it completes, `token` comes out of `completions`, an object of the type Completions. 1 when
/// watched, 0 when the future is complete already, -1 with an exception set. With the GIL.
[[nodiscard]] int watch(const internal::Shared<internal::FutureState>& state, PyObject* completions, PyObject* token);

/// Makes the type. Null with an exception set.
[[nodiscard]] Ref make_completions_type(PyObject* module);

}  // namespace tenon::python
