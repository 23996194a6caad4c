/// pipeline/session_losses.hpp: whether a session that was lost is opened again.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace tenon::internal {

/// How often a session of a source or a reduce was lost since it last made progress. Only deaths in its own operations
/// count against it; a bound on the others only ends what would never end. Not thread-safe.
class SessionLosses {
 public:
  enum class Cause : std::uint8_t {
    kOwn,          ///< Its worker died, or it took too long, in one of its own operations.
    kKilled,       ///< Its worker was ended by SIGKILL, which others send, in one of its own operations.
    kOther,        ///< Its worker died at something else.
    kUnavailable,  ///< There is no worker for it.
  };
  /// Own deaths in a row that are survived.
  static constexpr std::uint32_t kMostOwn = 3;
  /// Kills in a row that are survived. A step that uses up the memory of the system ends this way each time.
  static constexpr std::uint32_t kMostKilled = 50;
  /// Losses to others in a row while nothing else of the run ends either.
  static constexpr std::uint32_t kMostOther = 1000;
  /// Attempts to find a worker, with waits that double, 6.3 s in all.
  static constexpr std::uint32_t kMostUnavailable = 6;
  static constexpr std::chrono::milliseconds kFirstWait{100};

  /// The session was lost. `ended_calls` counts what has ended in the run so far. Returns how long to wait before it is
  /// opened again; nullopt if it is not.
  [[nodiscard]] std::optional<std::chrono::nanoseconds> lost(Cause cause, std::uint64_t ended_calls) noexcept {
    switch (cause) {
      case Cause::kOwn:
        return own_++ < kMostOwn ? std::optional(std::chrono::nanoseconds(0)) : std::nullopt;
      case Cause::kKilled:
        return killed_++ < kMostKilled ? std::optional(std::chrono::nanoseconds(0)) : std::nullopt;
      case Cause::kUnavailable:
        return unavailable_ < kMostUnavailable
                   ? std::optional<std::chrono::nanoseconds>(kFirstWait * (1U << unavailable_++))
                   : std::nullopt;
      case Cause::kOther:
        break;
    }
    if (ended_calls != ended_calls_) {
      // A crashing task has fewer items left each time, so that this comes to an end by itself.
      ended_calls_ = ended_calls;
      other_ = 0;
    }
    return other_++ < kMostOther ? std::optional(std::chrono::nanoseconds(0)) : std::nullopt;
  }
  void progressed() noexcept { own_ = killed_ = other_ = unavailable_ = 0; }

 private:
  std::uint32_t own_ = 0;
  std::uint32_t killed_ = 0;
  std::uint32_t other_ = 0;
  std::uint32_t unavailable_ = 0;
  std::uint64_t ended_calls_ = 0;
};

}  // namespace tenon::internal
