/// Passes work from any thread to the thread of an event loop.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include <tenon/error.hpp>

#include "base/guarded.hpp"
#include "platform/reactor/poller.hpp"

namespace tenon::internal {

/// Functions for the loop's thread. All posters hold it by shared_ptr, so it may outlive the loop,
/// which then receives nothing more. [any-thread], except for `run`.
class Mailbox {
 public:
  /// Errors: kUnavailable if no descriptors are left.
  [[nodiscard]] static Result<std::shared_ptr<Mailbox>> create() {
    auto bell = EventBell::create();
    if (!bell) {
      return fail(std::move(bell.error()));
    }
    return std::make_shared<Mailbox>(std::move(*bell));
  }
  explicit Mailbox(EventBell bell) noexcept : bell_(std::move(bell)) {}

  /// The descriptor, for a Poller, is readable while functions wait.
  [[nodiscard]] const FileDescriptor& descriptor() const noexcept { return bell_.descriptor(); }

  /// Queues a function; after `close` it is dropped.
  void post(std::function<void()> function) {
    auto box = box_.lock();
    if (!box->open) {
      return;
    }
    box->functions.push_back(std::move(function));
    box.unlock();
    bell_.ring();
  }

  /// Runs the queued functions. Only the loop's thread may call it.
  void run() {
    bell_.drain();
    std::vector<std::function<void()>> functions;
    functions.swap(box_.lock()->functions);
    for (const auto& function : functions) {
      function();
    }
  }

  /// Drops the queued functions and all later ones.
  void close() {
    std::vector<std::function<void()>> dropped;  // The functions are destroyed outside the lock.
    auto box = box_.lock();
    box->open = false;
    dropped.swap(box->functions);
    box.unlock();
  }

 private:
  struct Box {
    std::vector<std::function<void()>> functions;
    bool open = true;
  };
  Guarded<Box> box_;
  EventBell bell_;
};

}  // namespace tenon::internal
