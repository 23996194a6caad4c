/// pipeline/large_integers.hpp: handles integers of a TOML text beyond int64_t, which toml++
/// refuses.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace tenon::internal {

/// A text in which each integer value beyond int64_t, up to the largest uint64_t, is replaced by a
/// string of the same length, so that all locations stay the same.
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

/// Searches where a value is expected, not in keys, strings and comments. `bad` receives the first
/// number beyond 64 bits, or the first NaN or infinity that is not in lower case.
[[nodiscard]] LargeIntegers take_large_integers(std::string_view text, std::optional<BadNumber>& bad);

/// Returns the end of the string that starts at `at`, multi-line strings included, or the end of
/// the text if the string is not closed.
[[nodiscard]] std::size_t skip_toml_string(std::string_view text, std::size_t at);

}  // namespace tenon::internal
