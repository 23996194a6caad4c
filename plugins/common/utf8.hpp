/// UTF-8 and text for messages.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace tenon::plugins {

/// The character at `position`, which moves behind it. Nothing for a byte that begins no valid UTF-8 sequence (overlong
/// forms and surrogates included); `position` then moves by one byte.
std::optional<char32_t> decode_utf8(std::string_view text, std::size_t& position) noexcept;

/// Whether all of `text` is valid UTF-8.
bool is_utf8(std::string_view text) noexcept;

/// `text` with each byte that is no UTF-8 replaced by U+FFFD.
std::string to_utf8(std::string_view text);

/// `text` in single quotes on one line, for messages: control characters and bytes that are no UTF-8 as \n, \x1b ...
/// Longer than some 1000 bytes is cut.
std::string quote(std::string_view text);

}  // namespace tenon::plugins
