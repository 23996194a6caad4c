/// swap/judge.hpp: whether a new version does as well as the old one.
///
/// These are pure functions from tallies and options to a judgement. They look at, in this order:
///   - crashes: how far the share of calls that crashed exceeds the old version's, from the first
///     call on. One crash in a few calls exceeds any limit of a few percent. This is intended: a
///     crash is never bad luck.
///   - deaths of workers (probation): at least three, and clearly more than the old version's
///     record predicts, by time and by calls. This finds a version that kills a worker now and then
///     although only a small share of its many calls crash.
///   - differences of results (shadow): one is enough.
///   - errors: how far their share exceeds the old version's, from 20 calls on. Before the time is
///     over, the excess must be at least two standard errors, so that a few early errors do not
///     reject a version that then runs a thousand calls well.
///   - time (canary and shadow): p99 compared with the old version's, once both have run 100 calls.
///   - hanging: when the time is over, calls are running but none has ended, although the old
///     version's calls are short.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include <tenon/swap.hpp>

#include "swap/fleet.hpp"

namespace tenon::internal {

/// What one generation did while it was monitored.
struct Conduct {
  std::uint64_t calls = 0;
  std::uint64_t failed = 0;
  std::uint64_t crashed = 0;
  std::int64_t p99_ns = 0;
  std::uint32_t running = 0;  ///< Calls that have started and not ended.
  std::uint64_t idle_deaths = 0;
  std::chrono::nanoseconds watched{0};
  [[nodiscard]] std::uint64_t deaths() const noexcept { return crashed + idle_deaths; }
};
[[nodiscard]] Conduct conduct_since(const GenerationTally& start, const GenerationTally& now) noexcept;

/// The outcome of comparing results.
struct ShadowCounts {
  std::uint64_t compared = 0;
  std::uint64_t different = 0;
  std::string first_difference;
};

struct Judgement {
  enum class Kind : std::uint8_t { kGoOn, kWell, kBack };
  Kind kind = Kind::kGoOn;
  std::string reason;  ///< For people, with kBack; otherwise empty.
};

/// Judges a canary or shadow that has run for `elapsed`.
[[nodiscard]] Judgement judge_trial(const Conduct& old_version, const Conduct& new_version, const ShadowCounts& shadow,
                                    const SwapOptions& options, std::chrono::nanoseconds elapsed);
/// Judges a probation. `old_version` is the tally of the old version before the switch.
[[nodiscard]] Judgement judge_probation(const Conduct& old_version, const Conduct& new_version,
                                        const SwapOptions& options, std::chrono::nanoseconds elapsed);

}  // namespace tenon::internal
