/// Reads the times of logs, as nanoseconds since 1970-01-01 UTC.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace logs {

/// `10/Oct/2000:13:55:36 -0700`.
std::optional<std::int64_t> parse_clf_time(std::string_view text) noexcept;

/// `2003-10-11T22:14:15.003Z`, with a fraction of up to 9 digits, and `Z`, `+02:00`, `+0200` or
/// nothing, which is UTC.
std::optional<std::int64_t> parse_iso_time(std::string_view text) noexcept;

/// A time without a year: `Oct 11 22:14:15` or `Oct  1 22:14:15`.
struct TimeOfYear {
  int month = 1;
  int day = 1;
  std::int64_t seconds_of_day = 0;
};
std::optional<TimeOfYear> parse_bsd_time(std::string_view text) noexcept;

/// The time in a year; nullopt if the year does not have that day.
std::optional<std::int64_t> in_year(const TimeOfYear& time, std::int64_t year) noexcept;

/// The latest time with this date that is at most a day after `latest_ns`; nullopt if there is none.
std::optional<std::int64_t> not_after(const TimeOfYear& time, std::int64_t latest_ns) noexcept;

/// Seconds since 1970 as an integer or with a fraction, as in `1700000000.123`; milliseconds,
/// microseconds or nanoseconds if the number is that large.
std::int64_t from_epoch(double value) noexcept;

}  // namespace logs
