/// Brings work from any thread to the one that runs an event loop.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include <tenon/error.hpp>

#include "base/guarded.hpp"
#include "platform/reactor/poller.hpp"

namespace tenon::internal {

/// Functions for the loop's thread. Held by shared_ptr by all who post: it outlives the loop, which then gets nothing
/// any more. [any-thread], but for `run`.
class Mailbox {
 public:
  /// Errors: kUnavailable no descriptors left.
  [[nodiscard]] static Result<std::shared_ptr<Mailbox>> create() {
    auto bell = EventBell::create();
    if (!bell) {
      return fail(std::move(bell.error()));
    }
    return std::make_shared<Mailbox>(std::move(*bell));
  }
  explicit Mailbox(EventBell bell) noexcept : bell_(std::move(bell)) {}

  /// Readable when something waits. For a Poller.
  [[nodiscard]] const FileDescriptor& descriptor() const noexcept { return bell_.descriptor(); }

  /// Hands a function over; after `close` it is dropped.
  void post(std::function<void()> function) {
    auto box = box_.lock();
    if (!box->open) {
      return;
    }
    box->functions.push_back(std::move(function));
    box.unlock();
    bell_.ring();
  }

  /// Runs what waits. The loop's thread alone.
  void run() {
    bell_.drain();
    std::vector<std::function<void()>> functions;
    functions.swap(box_.lock()->functions);
    for (const auto& function : functions) {
      function();
    }
  }

  /// Drops what waits and all that comes.
  void close() {
    std::vector<std::function<void()>> dropped;  // Destroyed outside the lock.
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
