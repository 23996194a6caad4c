/// Standard output of a daemon: unread results must not block the pipelines that made them.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <tenon/error.hpp>

#include "platform/bounded_drain.hpp"
#include "tools/tenon/world.hpp"

namespace tenon::cli {

/// Writes whole texts in order, on a separate thread. [any-thread]
class ResultStream {
 public:
  /// `world` must stay alive if `close` leaves a thread behind. At most `max_bytes` of texts wait.
  explicit ResultStream(const World& world, std::size_t max_bytes = std::size_t{64} << 20);

  /// Never waits. Errors: kRejected if there is no room because standard output is not read; the
  /// failure of an earlier text.
  [[nodiscard]] Result<void> write(std::string text);
  /// Waits until everything is written, at most `patience` without progress. Errors: kDeadline if
  /// it is not, and a thread is left behind; the first failure of a write.
  [[nodiscard]] Result<void> close(std::chrono::milliseconds patience);

 private:
  struct Shared;
  const std::shared_ptr<Shared> shared_;
  internal::BoundedDrain<std::string> drain_;
};

}  // namespace tenon::cli
