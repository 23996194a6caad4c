#include "schema/json_text.hpp"

#include <cstddef>
#include <cstdint>

#include "base/utf8.hpp"

namespace tenon::internal {
namespace {

/// Whether the three bytes at `bytes` are one of U+EF80 to U+EFFF: EE BE 80 to EE BF BF.
bool is_escape(std::string_view bytes) noexcept {
  return bytes.size() >= 3 && bytes[0] == '\xee' && (bytes[1] == '\xbe' || bytes[1] == '\xbf') &&
         continues_utf8(bytes[2]);
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
    std::size_t length = utf8_length(bytes);
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
