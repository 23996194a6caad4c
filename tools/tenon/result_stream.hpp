/// Standard output of a daemon: results that nobody reads must not hold up what made them.
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

/// Writes texts whole and in order, on a thread of its own. [any-thread]
class ResultStream {
 public:
  /// `world` must live on when `close` says that a thread is left behind. `max_bytes` of texts wait.
  explicit ResultStream(const World& world, std::size_t max_bytes = std::size_t{64} << 20);

  /// Never waits. Errors: kRejected there is no room, as standard output is not read; what an earlier text met.
  [[nodiscard]] Result<void> write(std::string text);
  /// Waits until all is written, at most `patience` without progress. Errors: kDeadline it is not, and a thread is left
  /// behind; the first failure of a write.
  [[nodiscard]] Result<void> close(std::chrono::milliseconds patience);

 private:
  struct Shared;
  const std::shared_ptr<Shared> shared_;
  internal::BoundedDrain<std::string> drain_;
};

}  // namespace tenon::cli
