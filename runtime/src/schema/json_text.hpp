/// schema/json_text.hpp: strings of any bytes inside JSON, which allows UTF-8 alone. See DESIGN.md, "Strings in JSON".
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tenon::internal {

/// `bytes` as a quoted JSON string. A byte b that is no UTF-8 becomes the character U+EF00 + b, and so does each byte
/// of the characters U+EF80 to U+EFFF themselves, so that the way back is exact.
/// Stops soon after `out` has more than `max_bytes`; the string has no end then.
void append_json_string(std::string& out, std::string_view bytes, std::size_t max_bytes = std::string::npos);

/// The way back for a string that a JSON parser has read: characters U+EF80 to U+EFFF become single bytes.
[[nodiscard]] std::string bytes_of_json_string(std::string_view text);

}  // namespace tenon::internal
