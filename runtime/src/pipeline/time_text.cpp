#include "pipeline/time_text.hpp"

#include <array>
#include <chrono>
#include <cstdio>

namespace tenon::internal {
namespace {

using std::chrono::days;
using std::chrono::nanoseconds;
using std::chrono::seconds;
using std::chrono::sys_days;
using std::chrono::sys_time;

constexpr std::int64_t kNsPerSecond = 1'000'000'000;

/// Reads a text from its front. After a mismatch, everything else is one too.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  [[nodiscard]] bool failed() const noexcept { return failed_; }
  [[nodiscard]] bool at_end() const noexcept { return rest_.empty(); }
  [[nodiscard]] char front() const noexcept { return rest_.empty() ? '\0' : rest_.front(); }
  int digits(std::size_t count) noexcept {
    int number = 0;
    for (std::size_t i = 0; i < count; ++i) {
      if (rest_.empty() || rest_.front() < '0' || rest_.front() > '9') {
        failed_ = true;
        return 0;
      }
      number = number * 10 + (rest_.front() - '0');
      rest_.remove_prefix(1);
    }
    return number;
  }
  char one_of(std::string_view characters) noexcept {
    if (rest_.empty() || characters.find(rest_.front()) == std::string_view::npos) {
      failed_ = true;
      return '\0';
    }
    const char found = rest_.front();
    rest_.remove_prefix(1);
    return found;
  }
  /// Reads the digits after a point. Those beyond nanoseconds are ignored.
  std::int64_t fraction_ns() noexcept {
    std::int64_t value = 0;
    std::int64_t unit = kNsPerSecond / 10;
    bool any = false;
    for (; !rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9'; rest_.remove_prefix(1)) {
      value += (rest_.front() - '0') * unit;
      unit /= 10;
      any = true;
    }
    failed_ = failed_ || !any;
    return value;
  }

 private:
  std::string_view rest_;
  bool failed_ = false;
};

}  // namespace

std::optional<std::int64_t> parse_time(std::string_view text) noexcept {
  Scanner in(text);
  const int year = in.digits(4);
  in.one_of("-");
  const int month = in.digits(2);
  in.one_of("-");
  const int day = in.digits(2);
  in.one_of("Tt ");
  const int hour = in.digits(2);
  in.one_of(":");
  const int minute = in.digits(2);
  in.one_of(":");
  const int second = in.digits(2);
  std::int64_t fraction = 0;
  if (in.front() == '.' || in.front() == ',') {
    in.one_of(".,");
    fraction = in.fraction_ns();
  }
  int offset_minutes = 0;
  if (!in.at_end()) {
    const char sign = in.one_of("Zz+-");
    if (sign == '+' || sign == '-') {
      const int hours = in.digits(2);
      if (in.front() == ':') {
        in.one_of(":");
      }
      const int minutes = in.digits(2);
      if (hours > 23 || minutes > 59) {
        return std::nullopt;
      }
      offset_minutes = (sign == '-' ? -1 : 1) * (hours * 60 + minutes);
    }
  }
  const std::chrono::year_month_day date(std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day)));
  // 60 is a leap second.
  if (in.failed() || !in.at_end() || !date.ok() || hour > 23 || minute > 59 || second > 60) {
    return std::nullopt;
  }
  const std::int64_t whole =
      seconds(sys_days(date).time_since_epoch()).count() + hour * 3600 + (minute - offset_minutes) * 60 + second;
  if (whole > kMostTimeNs / kNsPerSecond - 1 || whole < kLeastTimeNs / kNsPerSecond + 1) {
    return std::nullopt;
  }
  return whole * kNsPerSecond + fraction;
}

std::string time_text(std::int64_t time_ns) {
  const sys_time<nanoseconds> time{nanoseconds(time_ns)};
  const sys_days day = std::chrono::floor<days>(time);
  const std::chrono::year_month_day date(day);
  const std::int64_t of_day = (time - day).count();
  const std::int64_t second = of_day / kNsPerSecond;
  const std::int64_t fraction = of_day % kNsPerSecond;
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), static_cast<int>(second / 3600),
                static_cast<int>(second / 60 % 60), static_cast<int>(second % 60));
  std::string out = text.data();
  if (fraction != 0) {
    std::snprintf(text.data(), text.size(), ".%09d", static_cast<int>(fraction));
    const std::size_t digits = fraction % 1'000'000 == 0 ? 3 : fraction % 1'000 == 0 ? 6 : 9;
    out.append(text.data(), digits + 1);
  }
  return out + 'Z';
}

}  // namespace tenon::internal
