#include "pipeline/quantity.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <string>
#include <utility>

namespace tenon::internal {
namespace {

struct Unit {
  std::string_view name;
  double factor;
};

constexpr std::array<Unit, 7> kDurationUnits = {
    {{"ns", 1.0}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}, {"d", 86400e9}}};
constexpr double kMaxDuration = 10'000.0 * 86400e9;

constexpr std::array<Unit, 9> kSizeUnits = {{{"B", 1.0},
                                             {"KiB", 1024.0},
                                             {"MiB", 1048576.0},
                                             {"GiB", 1073741824.0},
                                             {"TiB", 1099511627776.0},
                                             {"KB", 1e3},
                                             {"kB", 1e3},
                                             {"MB", 1e6},
                                             {"GB", 1e9}}};
constexpr double kMaxSize = 1152921504606846976.0;

template <std::size_t N>
Result<double> parse(std::string_view text, const std::array<Unit, N>& units, double limit, std::string_view what,
                     std::string_view example) {
  const auto refuse = [&](std::string why) {
    return fail(ErrorCode::kInvalidArgument, "'" + std::string(text.substr(0, 64)) + "' is not a " + std::string(what) +
                                                 ": " + std::move(why) + " (write " + std::string(example) + ")");
  };
  // Only digits and a point: from_chars would also accept "inf", "1e9" and a sign.
  const std::size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
  double number = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + digits, number);
  if (digits == 0 || code != std::errc() || end != text.data() + digits) {
    return refuse("it does not start with a number");
  }
  const std::string_view unit = text.substr(digits);
  for (const Unit& known : units) {
    if (known.name == unit) {
      const double value = number * known.factor;
      if (!(value <= limit)) {
        return refuse("it is too large");
      }
      return std::round(value);
    }
  }
  return refuse(unit.empty() ? "the unit is missing" : "it has no known unit");
}

}  // namespace

Result<std::chrono::nanoseconds> parse_duration(std::string_view text) {
  return parse(text, kDurationUnits, kMaxDuration, "duration", "200ms, 5s, 2m or 1h").map([](double value) {
    return std::chrono::nanoseconds(static_cast<std::int64_t>(value));
  });
}

Result<std::uint64_t> parse_size(std::string_view text) {
  return parse(text, kSizeUnits, kMaxSize, "size", "512B, 64KiB or 10MB").map([](double value) {
    return static_cast<std::uint64_t>(value);
  });
}

}  // namespace tenon::internal
