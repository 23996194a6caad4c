#include "swap/judge.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <optional>
#include <utility>

#include "base/text.hpp"

namespace tenon::internal {
namespace {

constexpr std::uint64_t kMinCallsForErrors = 20;
constexpr std::uint64_t kMinCallsForTime = 100;
constexpr std::uint64_t kMinDeaths = 3;
/// By how many standard errors deaths must exceed the expectation; it is checked after each of them.
constexpr double kDeathStandardErrors = 4;
/// A shorter record of the old version does not show its rate.
constexpr double kShortestRecordSeconds = 1;
/// By how many standard errors an early excess of errors must be significant.
constexpr double kStandardErrors = 2;

double share(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

std::string formatted(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

std::string percent(double rate) {
  return formatted("%.3g", rate * 100) + " %";
}

std::string milliseconds(std::int64_t nanoseconds) {
  return formatted("%.3g", static_cast<double>(nanoseconds) / 1e6) + " ms";
}

std::string of_calls(std::uint64_t count, std::uint64_t calls) {
  return std::to_string(count) + " of " + count_of(calls, "call", "calls");
}

std::optional<std::string> too_many_crashes(const Conduct& old_version, const Conduct& now,
                                            const SwapOptions& options) {
  // A call that crashed has also ended; this holds even if a tally is read in between.
  const std::uint64_t calls = std::max(now.calls, now.crashed);
  const double old_rate = share(old_version.crashed, std::max(old_version.calls, old_version.crashed));
  if (share(now.crashed, calls) <= old_rate + options.max_crash_rate) {
    return std::nullopt;
  }
  std::string reason = of_calls(now.crashed, calls) + " crashed their worker";
  if (old_rate > 0) {
    reason += ", " + percent(share(now.crashed, calls)) + " against " + percent(old_rate) + " of the old version";
  }
  return reason + " (limit " + percent(options.max_crash_rate) + (old_rate > 0 ? " more)" : ")");
}

double seconds(std::chrono::nanoseconds time) {
  return std::chrono::duration<double>(time).count();
}

std::optional<std::string> too_many_deaths(const Conduct& old_version, const Conduct& now,
                                           std::chrono::nanoseconds elapsed) {
  if (now.deaths() < kMinDeaths) {
    return std::nullopt;
  }
  // The number of workers that the old version would have lost in the same time or calls. Its
  // record is one sample, so its rate is taken from the upper end of the confidence interval. So a
  // version that crashes as often as the old one is not rejected.
  const auto old_deaths = static_cast<double>(old_version.deaths());
  const double old_upper = old_deaths + std::sqrt(old_deaths) + 1;
  const double by_time = old_upper * seconds(elapsed) / std::max(seconds(old_version.watched), kShortestRecordSeconds);
  const double by_calls = old_version.deaths() == 0 || old_version.calls == 0
                              ? 0
                              : old_upper * static_cast<double>(now.calls) / static_cast<double>(old_version.calls);
  const double expected = std::max(by_time, by_calls);
  if (static_cast<double>(now.deaths()) <= expected + kDeathStandardErrors * std::sqrt(expected)) {
    return std::nullopt;
  }
  return count_of(now.deaths(), "worker", "workers") + " died of it within " + formatted("%.3g", seconds(elapsed)) +
         " s; the old version lost " + (old_version.deaths() == 0 ? "none" : std::to_string(old_version.deaths())) +
         " in " + formatted("%.3g", seconds(old_version.watched)) + " s";
}

std::optional<std::string> too_many_errors(const Conduct& old_version, const Conduct& now, const SwapOptions& options,
                                           bool at_end) {
  if (now.calls < kMinCallsForErrors) {
    return std::nullopt;
  }
  const double old_rate = share(old_version.failed, old_version.calls);
  const double rate = share(now.failed, now.calls);
  const double margin = at_end ? 0 : kStandardErrors * std::sqrt(rate * (1 - rate) / static_cast<double>(now.calls));
  if (rate - margin <= old_rate + options.max_error_rate_increase) {
    return std::nullopt;
  }
  return of_calls(now.failed, now.calls) + " failed, " + percent(rate) + " against " + percent(old_rate) +
         " of the old version (limit " + percent(options.max_error_rate_increase) + " more)";
}

std::optional<std::string> too_slow(const Conduct& old_version, const Conduct& now, const SwapOptions& options) {
  if (options.max_p99_ratio <= 0 || old_version.calls < kMinCallsForTime || now.calls < kMinCallsForTime ||
      old_version.p99_ns <= 0) {
    return std::nullopt;
  }
  const double ratio = static_cast<double>(now.p99_ns) / static_cast<double>(old_version.p99_ns);
  if (ratio <= options.max_p99_ratio) {
    return std::nullopt;
  }
  return "its calls run " + milliseconds(now.p99_ns) + " (p99) where the old version's run " +
         milliseconds(old_version.p99_ns) + ": " + formatted("%.3g", ratio) + " times as long (limit " +
         formatted("%.3g", options.max_p99_ratio) + ")";
}

std::optional<std::string> hanging(const Conduct& old_version, const Conduct& now, const SwapOptions& options,
                                   std::chrono::nanoseconds elapsed) {
  const double ratio = std::max(options.max_p99_ratio, 1.0);
  if (now.calls > 0 || now.running == 0 || old_version.p99_ns <= 0 ||
      static_cast<double>(elapsed.count()) <= ratio * static_cast<double>(old_version.p99_ns)) {
    return std::nullopt;
  }
  return count_of(now.running, "call has", "calls have") + " begun in " + milliseconds(elapsed.count()) +
         " and none has ended; the old version's run " + milliseconds(old_version.p99_ns) + " (p99)";
}

Judgement back(std::string reason) {
  return {Judgement::Kind::kBack, std::move(reason)};
}

}  // namespace

Conduct conduct_since(const GenerationTally& start, const GenerationTally& now) noexcept {
  const auto grown = [](std::uint64_t from, std::uint64_t to) { return to > from ? to - from : 0; };
  return {.calls = grown(start.calls, now.calls),
          .failed = grown(start.failed, now.failed),
          .crashed = grown(start.crashed, now.crashed),
          .p99_ns = now.p99_ns,
          .running = now.running,
          .idle_deaths = grown(start.idle_deaths, now.idle_deaths),
          .watched = now.age - start.age};
}

Judgement judge_trial(const Conduct& old_version, const Conduct& new_version, const ShadowCounts& shadow,
                      const SwapOptions& options, std::chrono::nanoseconds elapsed) {
  const bool at_end =
      elapsed >= options.canary_time || (options.shadow ? shadow.compared : new_version.calls) >= options.canary_calls;
  if (auto reason = too_many_crashes(old_version, new_version, options)) {
    return back(std::move(*reason));
  }
  if (shadow.different > 0) {
    return back(std::to_string(shadow.different) + " of " +
                count_of(shadow.compared, "compared result differs", "compared results differ") +
                " from the old version's: " + shadow.first_difference);
  }
  if (auto reason = too_many_errors(old_version, new_version, options, at_end)) {
    return back(std::move(*reason));
  }
  if (auto reason = too_slow(old_version, new_version, options)) {
    return back(std::move(*reason));
  }
  if (!at_end) {
    return {};
  }
  if (auto reason = hanging(old_version, new_version, options, elapsed)) {
    return back(std::move(*reason));
  }
  return {Judgement::Kind::kWell, {}};
}

Judgement judge_probation(const Conduct& old_version, const Conduct& new_version, const SwapOptions& options,
                          std::chrono::nanoseconds elapsed) {
  const bool at_end = elapsed >= options.probation;
  if (auto reason = too_many_crashes(old_version, new_version, options)) {
    return back(std::move(*reason));
  }
  if (auto reason = too_many_deaths(old_version, new_version, elapsed)) {
    return back(std::move(*reason));
  }
  if (auto reason = too_many_errors(old_version, new_version, options, at_end)) {
    return back(std::move(*reason));
  }
  if (!at_end) {
    return {};
  }
  if (auto reason = hanging(old_version, new_version, options, elapsed)) {
    return back(std::move(*reason));
  }
  return {Judgement::Kind::kWell, {}};
}

}  // namespace tenon::internal
