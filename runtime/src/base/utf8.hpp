/// base/utf8.hpp: the one place that decodes UTF-8.
#pragma once

#include <cstddef>
#include <string_view>

namespace tenon::internal {

/// Length in bytes of the well-formed sequence at the start of `text`; 0 if the text is empty or starts with bytes that
/// are not UTF-8 (overlong, a surrogate, beyond U+10FFFF, cut off). [any-thread]
[[nodiscard]] std::size_t utf8_length(std::string_view text) noexcept;

/// The character of one well-formed sequence, whose length utf8_length returned. [any-thread]
[[nodiscard]] char32_t decode_utf8(std::string_view sequence) noexcept;

/// Whether all of `text` is well-formed. [any-thread]
[[nodiscard]] bool is_utf8(std::string_view text) noexcept;

/// Whether `byte` continues a sequence, so that no character starts with it.
[[nodiscard]] constexpr bool continues_utf8(char byte) noexcept {
  return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80U;
}

}  // namespace tenon::internal
