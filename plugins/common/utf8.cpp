#include "common/utf8.hpp"

#include <array>
#include <cstdint>

namespace tenon::plugins {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

void append_escaped(std::string& out, unsigned char byte) {
  static constexpr char kHex[] = "0123456789abcdef";
  out += "\\x";
  out += kHex[byte >> 4];
  out += kHex[byte & 15];
}

}  // namespace

std::optional<char32_t> decode_utf8(std::string_view text, std::size_t& position) noexcept {
  const auto byte_at = [text](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  const unsigned char lead = byte_at(position);
  if (lead < 0x80) {
    ++position;
    return lead;
  }
  const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() - position < length) {
    ++position;
    return std::nullopt;
  }
  char32_t value = static_cast<char32_t>(lead & (0x7F >> length));
  for (std::size_t i = 1; i < length; ++i) {
    const unsigned char next = byte_at(position + i);
    if ((next & 0xC0) != 0x80) {
      ++position;
      return std::nullopt;
    }
    value = (value << 6) | (next & 0x3Fu);
  }
  static constexpr std::array<char32_t, 5> kSmallest{0, 0, 0x80, 0x800, 0x10000};
  if (value < kSmallest[length] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) {
    ++position;
    return std::nullopt;
  }
  position += length;
  return value;
}

bool is_utf8(std::string_view text) noexcept {
  for (std::size_t position = 0; position < text.size();) {
    if (!decode_utf8(text, position)) {
      return false;
    }
  }
  return true;
}

std::string to_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t position = 0; position < text.size();) {
    const std::size_t begin = position;
    if (decode_utf8(text, position)) {
      out.append(text, begin, position - begin);
    } else {
      out += kReplacement;
    }
  }
  return out;
}

std::string quote(std::string_view text) {
  constexpr std::size_t kLongest = 1000;
  std::string out = "'";
  for (std::size_t position = 0; position < text.size();) {
    if (out.size() > kLongest) {
      out += "...";
      break;
    }
    const std::size_t begin = position;
    const auto character = decode_utf8(text, position);
    if (!character || *character < 0x20 || *character == 0x7F) {
      if (character == U'\n') {
        out += "\\n";
      } else if (character == U'\t') {
        out += "\\t";
      } else {
        append_escaped(out, static_cast<unsigned char>(text[begin]));
      }
    } else {
      out.append(text, begin, position - begin);
    }
  }
  return out + "'";
}

}  // namespace tenon::plugins
