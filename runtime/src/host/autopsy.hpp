/// host/autopsy.hpp: what may be concluded from the words that a dead worker left in shared memory.
#pragma once

#include <cstdint>
#include <optional>

#include "ipc/host_end.hpp"

namespace tenon::internal {

/// One look at a dead worker's counts, after its last answers have been taken. What cannot be proved not to have begun
/// may have begun: a stray write may have hit any word, and a worker that broke the protocol may have done anything.
class Autopsy {
 public:
  enum class Verdict : std::uint8_t {
    kNotBegun,  ///< The worker never touched it.
    kRunning,   ///< It was at this one, as far as can be told: the last that it had begun, or where that is not known
                ///< the oldest that it had not answered.
    kUnknown,   ///< It may have run it.
  };

  /// `front`: the oldest position that it has not answered. `broke_protocol`: nothing that it wrote counts.
  /// `calls_once`: it has been told where to find a task that is not idempotent, for a nested call.
  Autopsy(const HostEnd& end, std::uint64_t front, bool broke_protocol, bool calls_once) noexcept
      : end_(end), front_(front), calls_once_(calls_once) {
    if (!broke_protocol) {
      begun_ = end.begun();
    }
    // What was answered had begun. What was taken back before it began leaves gaps in front of `front`, so that `front`
    // itself is no bound.
    if (begun_ && *begun_ < end.popped()) {
      begun_.reset();
    }
  }

  /// Whether its words are whole and fit together.
  [[nodiscard]] bool trusted() const noexcept { return begun_.has_value(); }
  [[nodiscard]] Verdict of(std::uint64_t position) const noexcept {
    if (!begun_) {
      return position == front_ ? Verdict::kRunning : Verdict::kUnknown;
    }
    if (position >= *begun_) {
      return Verdict::kNotBegun;
    }
    // A worker answers one call before it begins the next. What lies before the last is done although its answer is not
    // to be seen: a stray write over the ring's tail hides answers.
    return position + 1 == *begun_ ? Verdict::kRunning : Verdict::kUnknown;
  }
  /// Whether the call, or the item of the bulk call there, has called no task that must not run twice.
  [[nodiscard]] bool repeatable(std::uint64_t position, std::uint32_t item = 0) const noexcept {
    return !calls_once_ || (trusted() && end_.unrepeatable(position, item) == Known::kNo);
  }
  /// The same where it is not known which items ran.
  [[nodiscard]] bool all_repeatable() const noexcept { return !calls_once_; }
  /// How far it came with a bulk call that it was running.
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
