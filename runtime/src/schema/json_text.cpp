#include "schema/json_text.hpp"

#include <cstddef>
#include <cstdint>

namespace tenon::internal {
namespace {

/// Length of the UTF-8 sequence at the begin of `bytes`; 0 when there is none (overlong, surrogate, truncated ...).
std::size_t sequence_length(std::string_view bytes) noexcept {
  const auto at = [&](std::size_t i) -> unsigned { return static_cast<unsigned char>(bytes[i]); };
  const auto continues = [&](std::size_t i) { return i < bytes.size() && (at(i) & 0xc0U) == 0x80U; };
  const unsigned first = at(0);
  if (first < 0x80) {
    return 1;
  }
  if (first >= 0xc2 && first <= 0xdf) {
    return continues(1) ? 2 : 0;
  }
  if (first >= 0xe0 && first <= 0xef) {
    if (!continues(1) || !continues(2) || (first == 0xe0 && at(1) < 0xa0) || (first == 0xed && at(1) > 0x9f)) {
      return 0;
    }
    return 3;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    if (!continues(1) || !continues(2) || !continues(3) || (first == 0xf0 && at(1) < 0x90) ||
        (first == 0xf4 && at(1) > 0x8f)) {
      return 0;
    }
    return 4;
  }
  return 0;
}

/// Whether the three bytes at `bytes` are one of U+EF80 to U+EFFF: EE BE 80 to EE BF BF.
bool is_escape(std::string_view bytes) noexcept {
  return bytes.size() >= 3 && bytes[0] == '\xee' && (bytes[1] == '\xbe' || bytes[1] == '\xbf') &&
         (static_cast<unsigned char>(bytes[2]) & 0xc0U) == 0x80U;
}

void append_escape(std::string& out, unsigned char byte) {
  const unsigned code = 0xef00U + byte;
  out += static_cast<char>(0xe0U | (code >> 12U));
  out += static_cast<char>(0x80U | ((code >> 6U) & 0x3fU));
  out += static_cast<char>(0x80U | (code & 0x3fU));
}

}  // namespace

void append_json_string(std::string& out, std::string_view bytes, std::size_t max_bytes) {
  static constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  while (!bytes.empty()) {
    if (out.size() > max_bytes) {
      return;
    }
    const auto byte = static_cast<unsigned char>(bytes.front());
    std::size_t length = sequence_length(bytes);
    if (length == 0 || is_escape(bytes)) {
      length = length == 0 ? 1 : length;
      for (const char c : bytes.substr(0, length)) {
        append_escape(out, static_cast<unsigned char>(c));
      }
    } else if (byte == '"' || byte == '\\') {
      (out += '\\') += static_cast<char>(byte);
    } else if (byte == '\n') {
      out += "\\n";
    } else if (byte == '\t') {
      out += "\\t";
    } else if (byte < 0x20 || byte == 0x7f) {
      ((out += "\\u00") += kHex[byte >> 4U]) += kHex[byte & 0xfU];
    } else {
      out += bytes.substr(0, length);
    }
    bytes.remove_prefix(length);
  }
  out += '"';
}

std::string bytes_of_json_string(std::string_view text) {
  std::string bytes;
  bytes.reserve(text.size());
  while (!text.empty()) {
    if (is_escape(text)) {
      const unsigned code = 0xe000U | ((static_cast<unsigned char>(text[1]) & 0x3fU) << 6U) |
                            (static_cast<unsigned char>(text[2]) & 0x3fU);
      bytes += static_cast<char>(code - 0xef00U);
      text.remove_prefix(3);
    } else {
      bytes += text.front();
      text.remove_prefix(1);
    }
  }
  return bytes;
}

}  // namespace tenon::internal
