/// schema/json_text.hpp: strings of any bytes inside JSON, which allows only UTF-8. See DESIGN.md,
/// "Strings in JSON".
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tenon::internal {

/// `bytes` as a quoted JSON string. A byte b that is not UTF-8 becomes the character U+EF00 + b,
/// and so does each byte of the characters U+EF80 to U+EFFF, so that bytes_of_json_string restores
/// `bytes` exactly. Stops soon after `out` is larger than `max_bytes`; the string is then
/// incomplete.
void append_json_string(std::string& out, std::string_view bytes, std::size_t max_bytes = std::string::npos);

/// The opposite, for a string that a JSON parser has read: characters U+EF80 to U+EFFF become
/// single bytes.
[[nodiscard]] std::string bytes_of_json_string(std::string_view text);

}  // namespace tenon::internal
