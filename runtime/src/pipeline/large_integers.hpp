/// pipeline/large_integers.hpp: integers of a TOML text beyond int64_t, which toml++ refuses.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace tenon::internal {

/// A text in which each integer value beyond int64_t, up to the largest uint64_t, is replaced by a string of the same
/// length, so that every place stays as it is.
struct LargeIntegers {
  std::string text;
  std::map<std::size_t, std::uint64_t> values;  ///< By offset in the text.
};

/// A value that no TOML parser takes, with words for it.
struct BadNumber {
  std::size_t offset = 0;
  std::string message;
  std::string hint;
};

/// Looks for them where a value is expected: not in keys, strings and comments. `bad` gets the first number beyond 64
/// bits, and the first NaN or infinity that is not written in small letters.
[[nodiscard]] LargeIntegers take_large_integers(std::string_view text, std::optional<BadNumber>& bad);

/// End of the string that begins at `at`, multi-line ones included; the text's end when it is not closed.
[[nodiscard]] std::size_t skip_toml_string(std::string_view text, std::size_t at);

}  // namespace tenon::internal
