/// host/autopsy.hpp: conclusions from the words that a dead worker left in shared memory.
#pragma once

#include <cstdint>
#include <optional>

#include "ipc/host_end.hpp"

namespace tenon::internal {

/// An evaluation of a dead worker's counts, after its last completions have been taken. A call may
/// have started unless the opposite is proved: a stray write may have hit any word, and a worker
/// that broke the protocol may have done anything.
class Autopsy {
 public:
  enum class Verdict : std::uint8_t {
    kNotBegun,  ///< The worker never touched it.
    /// Probably the running call: the last started one or, if unknown, the oldest uncompleted one.
    kRunning,
    kUnknown,  ///< It may have run it.
  };

  /// `front`: the oldest position that is not completed. `broke_protocol`: nothing that the worker
  /// wrote is trusted. `calls_once`: it has received the route of a task that is not idempotent,
  /// for a nested call.
  Autopsy(const HostEnd& end, std::uint64_t front, bool broke_protocol, bool calls_once) noexcept
      : end_(end), front_(front), calls_once_(calls_once) {
    if (!broke_protocol) {
      begun_ = end.begun();
    }
    // Every completed call had started. Calls revoked before they started leave gaps before
    // `front`, so `front` itself is not a bound.
    if (begun_ && *begun_ < end.popped()) {
      begun_.reset();
    }
  }

  /// Whether the worker's words are intact and consistent.
  [[nodiscard]] bool trusted() const noexcept { return begun_.has_value(); }
  [[nodiscard]] Verdict of(std::uint64_t position) const noexcept {
    if (!begun_) {
      return position == front_ ? Verdict::kRunning : Verdict::kUnknown;
    }
    if (position >= *begun_) {
      return Verdict::kNotBegun;
    }
    // A worker completes one call before it starts the next. A call before the last is therefore
    // done even if its completion is not visible: a stray write over the ring's tail hides
    // completions.
    return position + 1 == *begun_ ? Verdict::kRunning : Verdict::kUnknown;
  }
  /// Whether the call, or the item of the bulk call there, has not called a task that must not run
  /// twice.
  [[nodiscard]] bool repeatable(std::uint64_t position, std::uint32_t item = 0) const noexcept {
    return !calls_once_ || (trusted() && end_.unrepeatable(position, item) == Known::kNo);
  }
  /// The same if it is unknown which items ran.
  [[nodiscard]] bool all_repeatable() const noexcept { return !calls_once_; }
  /// The progress of a bulk call that it was running.
  [[nodiscard]] BulkRemains bulk_remains(std::uint64_t position) const noexcept {
    return trusted() ? end_.bulk_remains(position) : BulkRemains{};
  }

 private:
  const HostEnd& end_;
  std::uint64_t front_;
  bool calls_once_;
  std::optional<std::uint64_t> begun_;
};

}  // namespace tenon::internal
