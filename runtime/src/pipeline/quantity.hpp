/// Parses durations and sizes with units, as pipelines write them.
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

#include <tenon/error.hpp>

namespace tenon::internal {

/// Parses "200ms", "5s", "1.5m", "1h", "3d", also "10us" and "10ns": one number, one unit, no
/// spaces. At most 10 000 days. Errors: kInvalidArgument, with the expected form.
[[nodiscard]] Result<std::chrono::nanoseconds> parse_duration(std::string_view text);

/// Parses "512B", "64KiB", "10MB", "1.5GiB": units with an i are powers of 1024, the others powers
/// of 1000. At most 2^60 bytes. Errors: kInvalidArgument, with the expected form.
[[nodiscard]] Result<std::uint64_t> parse_size(std::string_view text);

}  // namespace tenon::internal
