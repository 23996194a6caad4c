/// pipeline/large_integers.hpp: handles numbers of a TOML text that toml++ refuses: integers beyond
/// int64_t, and NaN and infinities that are not in lower case.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace tenon::internal {

/// A text in which each integer value beyond int64_t, up to the largest uint64_t, is replaced by a
/// string of the same length, so that all locations stay the same. If asked for, NaN and infinities in
/// any letters become the names that TOML has.
struct LargeIntegers {
  std::string text;
  std::map<std::size_t, std::uint64_t> values;  ///< The values by their offset in the text.
};

/// A number that no TOML parser accepts, with its message.
struct BadNumber {
  std::size_t offset = 0;
  std::string message;
  std::string hint;
};

/// What NaN, INF, -Infinity and the like are.
enum class SpecialNumbers : std::uint8_t { kAnyCase, kAsInToml };

/// Searches where a value is expected, not in keys, strings and comments. `bad` receives the first
/// number beyond 64 bits.
[[nodiscard]] LargeIntegers take_large_integers(std::string_view text, SpecialNumbers specials,
                                                std::optional<BadNumber>& bad);

/// Returns the end of the string that starts at `at`, multi-line strings included, or the end of
/// the text if the string is not closed.
[[nodiscard]] std::size_t skip_toml_string(std::string_view text, std::size_t at);

}  // namespace tenon::internal
