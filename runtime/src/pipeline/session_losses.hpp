/// pipeline/session_losses.hpp: decides whether a lost session is opened again.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace tenon::internal {

/// Counts how often a session of a source or a reduce was lost since it last made progress.
/// Normally only deaths in its own operations count against it; the limit on other losses stops
/// runs that would never end. Not thread-safe.
class SessionLosses {
 public:
  enum class Cause : std::uint8_t {
    kOwn,          ///< Its worker died, or it took too long, in one of its own operations.
    kKilled,       ///< Its worker was killed by SIGKILL, which other processes send, in one of its
                   ///< own operations.
    kOther,        ///< Its worker died in other work.
    kUnavailable,  ///< There is no worker for it.
  };
  /// How many own deaths in a row are survived.
  static constexpr std::uint32_t kMostOwn = 3;
  /// How many kills in a row are survived. A step that uses up the memory of the system is killed
  /// each time.
  static constexpr std::uint32_t kMostKilled = 50;
  /// How many losses to other work in a row are survived if nothing else of the run completes
  /// either.
  static constexpr std::uint32_t kMostOther = 1000;
  /// How many attempts are made to find a worker; the delays double, 6.3 s in total.
  static constexpr std::uint32_t kMostUnavailable = 6;
  static constexpr std::chrono::milliseconds kFirstWait{100};

  /// The session was lost. `ended_calls` counts the calls that have ended in the run so far.
  /// Returns the delay before the session is opened again, or nullopt if it is not opened again.
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
      // A crashing task has fewer items left each time, so these losses stop by themselves.
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
