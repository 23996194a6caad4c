/// UTF-8 and text for messages.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace tenon::plugins {

/// Decodes the character at `position` and advances `position` past it. Returns nullopt for a byte
/// that does not start a valid UTF-8 sequence (overlong forms and surrogates are not valid);
/// `position` then advances by one byte.
std::optional<char32_t> decode_utf8(std::string_view text, std::size_t& position) noexcept;

/// Whether all of `text` is valid UTF-8.
bool is_utf8(std::string_view text) noexcept;

/// `text` with each byte that is not UTF-8 replaced with U+FFFD.
std::string to_utf8(std::string_view text);

/// `text` in single quotes on one line, for messages: control characters and bytes that are not
/// UTF-8 become \n, \x1b, ... Cut after about 1000 bytes.
std::string quote(std::string_view text);

}  // namespace tenon::plugins
