/// pipeline/time_text.hpp: points in time as RFC 3339 writes them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tenon::internal {

/// The times that windows accept lie between these two: 1748 to 2191. So no sum of a time and some
/// durations of a file overflows.
inline constexpr std::int64_t kMostTimeNs = 7'000'000'000'000'000'000;
inline constexpr std::int64_t kLeastTimeNs = -kMostTimeNs;

/// Returns the nanoseconds since 1970-01-01 UTC of a text such as "2026-11-30T22:18:00.5+01:00".
/// There may be a space instead of the `T`; without an offset, it is UTC. nullopt for any other
/// text, and for a time outside kLeastTimeNs to kMostTimeNs.
[[nodiscard]] std::optional<std::int64_t> parse_time(std::string_view text) noexcept;

/// Returns "2026-11-30T22:18:00Z", with a fraction of 3, 6 or 9 digits if it needs one.
[[nodiscard]] std::string time_text(std::int64_t time_ns);

}  // namespace tenon::internal
