/// swap/judge.hpp: whether a new version does as well as the old one.
///
/// Pure: tallies and options in, a judgement out. What counts, in this order:
///   - crashes: the share above the old version's of the calls that have ended, from the first on. One crash in few
///   calls is above any limit of
///     some percent, and it is meant to be: a call that ends its worker is no matter of luck.
///   - deaths of workers (probation): three at least, and clearly more than the old version's record lets expect, by
///     time and by calls. A version that ends a worker now and then is found so where its calls are many and the share
///     of those that crash is small.
///   - differences of results (shadow): one is enough.
///   - errors: the share above the old version's, from 20 calls on. Before the end of the time it must be clear, by two
///     standard errors, so that a few early errors do not turn back a version that then runs for a thousand calls.
///   - time (canary and shadow): p99 against the old version's, once both have run 100 calls.
///   - hanging: at the end of the time, calls that run but none that has ended, where the old version's are short.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include <tenon/swap.hpp>

#include "swap/fleet.hpp"

namespace tenon::internal {

/// What one generation did while it was watched.
struct Conduct {
  std::uint64_t calls = 0;
  std::uint64_t failed = 0;
  std::uint64_t crashed = 0;
  std::int64_t p99_ns = 0;
  std::uint32_t running = 0;  ///< Begun and not ended, now.
  std::uint64_t idle_deaths = 0;
  std::chrono::nanoseconds watched{0};
  [[nodiscard]] std::uint64_t deaths() const noexcept { return crashed + idle_deaths; }
};
[[nodiscard]] Conduct conduct_since(const GenerationTally& start, const GenerationTally& now) noexcept;

/// What comparing results has given.
struct ShadowCounts {
  std::uint64_t compared = 0;
  std::uint64_t different = 0;
  std::string first_difference;
};

struct Judgement {
  enum class Kind : std::uint8_t { kGoOn, kWell, kBack };
  Kind kind = Kind::kGoOn;
  std::string reason;  ///< In words, for kBack; else empty.
};

/// Of a canary or shadow that runs for `elapsed`.
[[nodiscard]] Judgement judge_trial(const Conduct& old_version, const Conduct& new_version, const ShadowCounts& shadow,
                                    const SwapOptions& options, std::chrono::nanoseconds elapsed);
/// Of a probation. `old_version` is what it did before the switch.
[[nodiscard]] Judgement judge_probation(const Conduct& old_version, const Conduct& new_version,
                                        const SwapOptions& options, std::chrono::nanoseconds elapsed);

}  // namespace tenon::internal
