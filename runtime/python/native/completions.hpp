/// python/native/completions.hpp: collects completed futures until Python takes them.
///
/// A future completes on a thread of the runtime, which must never wait for the GIL. It adds a link to a lock-free list
/// and rings a bell; a Python thread, or an asyncio event loop that watches the bell's descriptor, takes the whole list
/// at once.
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
  /// A watched future. The thread that takes the link owns `token`.
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
  /// Adds a link. Does not need the GIL; never waits.
  void push(Link* link) noexcept;
  /// Returns all links so far, oldest first; null if there are none.
  [[nodiscard]] Link* take() noexcept;
  /// Drops all later links.
  void close() noexcept;
  [[nodiscard]] bool closed() const noexcept { return closed_.load(std::memory_order_acquire); }

 private:
  internal::EventBell bell_;
  // Release and acquire: a thread that takes a link sees its content.
  std::atomic<Link*> head_{nullptr};
  // Sequentially consistent with head_: either push sees that the list is closed, or close sees the link.
  std::atomic<bool> closed_{false};
};

/// Watches a future: when it completes, `token` is delivered by `completions`, an object of the type Completions.
/// Returns 1 if the future is watched, 0 if it is already complete, -1 with an exception set. Needs the GIL.
[[nodiscard]] int watch(const internal::Shared<internal::FutureState>& state, PyObject* completions, PyObject* token);

/// Creates the type. Null with an exception set.
[[nodiscard]] Ref make_completions_type(PyObject* module);

}  // namespace tenon::python
