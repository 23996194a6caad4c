#include "logs/times.hpp"

#include <array>
#include <cmath>

namespace logs {
namespace {

constexpr std::int64_t kNsPerSecond = 1'000'000'000;
constexpr std::int64_t kSecondsPerDay = 86400;
constexpr std::array<std::string_view, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
// Beyond these years, nanoseconds since 1970 do not fit into 64 bits.
constexpr std::int64_t kFirstYear = 1678;
constexpr std::int64_t kLastYear = 2261;

/// A number of exactly `count` digits at `at`; -1 if there is none.
int digits(std::string_view text, std::size_t at, std::size_t count) noexcept {
  if (text.size() < at + count) {
    return -1;
  }
  int value = 0;
  for (std::size_t i = at; i < at + count; ++i) {
    if (text[i] < '0' || text[i] > '9') {
      return -1;
    }
    value = value * 10 + (text[i] - '0');
  }
  return value;
}

/// 1 to 12; 0 for no month.
int month_of(std::string_view name) noexcept {
  for (std::size_t i = 0; i < kMonths.size(); ++i) {
    if (kMonths[i] == name) {
      return static_cast<int>(i) + 1;
    }
  }
  return 0;
}

bool is_leap(std::int64_t year) noexcept {
  return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

int days_in(std::int64_t year, int month) noexcept {
  static constexpr std::array<int, 12> kDays{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return month == 2 && is_leap(year) ? 29 : kDays[static_cast<std::size_t>(month) - 1];
}

/// Days since 1970-01-01 of a date in the proleptic Gregorian calendar (Howard Hinnant,
/// "chrono-compatible low-level date algorithms").
std::int64_t days_from_civil(std::int64_t year, int month, int day) noexcept {
  year -= month <= 2 ? 1 : 0;
  const std::int64_t era = (year >= 0 ? year : year - 399) / 400;
  const std::int64_t year_of_era = year - era * 400;
  const std::int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  const std::int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146097 + day_of_era - 719468;
}

std::int64_t year_of(std::int64_t time_ns) noexcept {
  const std::int64_t days = time_ns / kNsPerSecond / kSecondsPerDay;
  std::int64_t year = 1970 + days / 366;
  while (days >= days_from_civil(year + 1, 1, 1)) {
    ++year;
  }
  while (days < days_from_civil(year, 1, 1)) {
    --year;
  }
  return year;
}

std::optional<std::int64_t> time_of(std::int64_t year, int month, int day, std::int64_t seconds_of_day,
                                    std::int64_t offset_seconds, std::int64_t fraction_ns) noexcept {
  if (year < kFirstYear || year > kLastYear || month < 1 || month > 12 || day < 1 || day > days_in(year, month)) {
    return std::nullopt;
  }
  return (days_from_civil(year, month, day) * kSecondsPerDay + seconds_of_day - offset_seconds) * kNsPerSecond +
         fraction_ns;
}

/// `22:14:15` at `at`; -1 if it is none. A leap second counts as the following second.
std::int64_t clock_at(std::string_view text, std::size_t at) noexcept {
  const int hour = digits(text, at, 2);
  const int minute = digits(text, at + 3, 2);
  const int second = digits(text, at + 6, 2);
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60 || text[at + 2] != ':' ||
      text[at + 5] != ':') {
    return -1;
  }
  return hour * 3600 + minute * 60 + second;
}

/// `-0700` or `-07:00` in seconds.
std::optional<std::int64_t> offset_of(std::string_view text) noexcept {
  if ((text.size() != 5 && text.size() != 6) || (text[0] != '+' && text[0] != '-') ||
      (text.size() == 6 && text[3] != ':')) {
    return std::nullopt;
  }
  const int hours = digits(text, 1, 2);
  const int minutes = digits(text, text.size() - 2, 2);
  if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) {
    return std::nullopt;
  }
  const std::int64_t seconds = hours * 3600 + minutes * 60;
  return text[0] == '-' ? -seconds : seconds;
}

}  // namespace

std::optional<std::int64_t> parse_clf_time(std::string_view text) noexcept {
  if (text.size() != 26 || text[2] != '/' || text[6] != '/' || text[11] != ':' || text[20] != ' ') {
    return std::nullopt;
  }
  const std::int64_t clock = clock_at(text, 12);
  const auto offset = offset_of(text.substr(21));
  if (clock < 0 || !offset) {
    return std::nullopt;
  }
  return time_of(digits(text, 7, 4), month_of(text.substr(3, 3)), digits(text, 0, 2), clock, *offset, 0);
}

std::optional<std::int64_t> parse_iso_time(std::string_view text) noexcept {
  if (text.size() < 19 || text[4] != '-' || text[7] != '-' || (text[10] != 'T' && text[10] != 't' && text[10] != ' ')) {
    return std::nullopt;
  }
  const std::int64_t clock = clock_at(text, 11);
  if (clock < 0) {
    return std::nullopt;
  }
  std::size_t at = 19;
  std::int64_t fraction_ns = 0;
  if (at < text.size() && (text[at] == '.' || text[at] == ',')) {
    std::int64_t unit = kNsPerSecond;
    const std::size_t first = ++at;
    for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) {
      unit /= 10;
      fraction_ns += unit * (text[at] - '0');
    }
    if (at == first) {
      return std::nullopt;
    }
  }
  const std::string_view zone = text.substr(at);
  const auto offset = zone.empty() || zone == "Z" || zone == "z" ? std::optional<std::int64_t>(0) : offset_of(zone);
  if (!offset) {
    return std::nullopt;
  }
  return time_of(digits(text, 0, 4), digits(text, 5, 2), digits(text, 8, 2), clock, *offset, fraction_ns);
}

std::optional<TimeOfYear> parse_bsd_time(std::string_view text) noexcept {
  if (text.size() != 15 || text[3] != ' ' || text[6] != ' ') {
    return std::nullopt;
  }
  TimeOfYear time;
  time.month = month_of(text.substr(0, 3));
  time.day = text[4] == ' ' ? digits(text, 5, 1) : digits(text, 4, 2);
  time.seconds_of_day = clock_at(text, 7);
  if (time.month == 0 || time.day < 1 || time.day > 31 || time.seconds_of_day < 0) {
    return std::nullopt;
  }
  return time;
}

std::optional<std::int64_t> in_year(const TimeOfYear& time, std::int64_t year) noexcept {
  return time_of(year, time.month, time.day, time.seconds_of_day, 0, 0);
}

std::optional<std::int64_t> not_after(const TimeOfYear& time, std::int64_t latest_ns) noexcept {
  // February 29 may be up to eight years back.
  std::int64_t year = year_of(latest_ns) + 1;
  for (int i = 0; i < 10; ++i, --year) {
    const auto found = in_year(time, year);
    if (found && *found <= latest_ns + kSecondsPerDay * kNsPerSecond) {
      return found;
    }
  }
  return std::nullopt;
}

std::int64_t from_epoch(double value) noexcept {
  double scale = 1e9;
  // 1e11 seconds are in the year 5138, 1e11 milliseconds in 1973.
  for (double limit = 1e11; scale > 1 && std::fabs(value) >= limit; limit *= 1e3) {
    scale /= 1e3;
  }
  const double ns = value * scale;
  return std::fabs(ns) < 9.2e18 ? std::llround(ns) : 0;
}

}  // namespace logs
