#include "text/count.hpp"

#include <locale.h>
#include <wctype.h>

#include <algorithm>

namespace text {
namespace {

bool is_space(std::uint8_t byte) {
  return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

/// White space outside ASCII, including no-break spaces.
bool is_wide_space(char32_t c) {
  return c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
         c == 0x205F || c == 0x2060 || c == 0x3000;
}

/// Whether a character outside ASCII is printable. The system knows which characters are assigned;
/// if it has no C.UTF-8 locale, all count as assigned.
bool prints(char32_t c) {
  static const locale_t locale = ::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  return c >= 0xA0 && (locale == nullptr || ::iswprint_l(static_cast<wint_t>(c), locale) != 0);
}

}  // namespace

void Counter::take_character(char32_t character) noexcept {
  ++counts_.characters;
  if (is_wide_space(character)) {
    in_word_ = false;
  } else if (!in_word_ && prints(character)) {
    take_word_part();
  }
}

void Counter::add(std::span<const std::uint8_t> bytes) {
  counts_.size_bytes += bytes.size();
  for (const std::uint8_t byte : bytes) {
    if (byte == '\n') {
      ++counts_.lines;
      counts_.longest_line_bytes = std::max(counts_.longest_line_bytes, line_bytes_);
      line_bytes_ = 0;
    } else {
      ++line_bytes_;
    }
    if (missing_ != 0) {
      if (byte >= low_ && byte <= high_) {
        ++seen_;
        low_ = 0x80;
        high_ = 0xBF;
        character_ = (character_ << 6) | (byte & 0x3Fu);
        if (--missing_ == 0) {
          take_character(character_);
        }
        continue;
      }
      counts_.characters += seen_;
      take_word_part();
      missing_ = 0;
    }
    if (byte < 0x80) {
      ++counts_.characters;
      if (is_space(byte)) {
        in_word_ = false;
      } else if (byte > ' ' && byte != 0x7F) {
        take_word_part();
      }
      continue;
    }
    seen_ = 1;
    low_ = byte == 0xE0 ? 0xA0 : byte == 0xF0 ? 0x90 : 0x80;
    high_ = byte == 0xED ? 0x9F : byte == 0xF4 ? 0x8F : 0xBF;
    missing_ = byte < 0xC2 || byte > 0xF4 ? 0 : byte < 0xE0 ? 1 : byte < 0xF0 ? 2 : 3;
    character_ = byte & (0x3Fu >> missing_);
    if (missing_ == 0) {
      ++counts_.characters;
      take_word_part();
    }
  }
}

CountsT Counter::finish() const {
  CountsT counts = counts_;
  counts.longest_line_bytes = std::max(counts.longest_line_bytes, line_bytes_);
  counts.characters += missing_ != 0 ? seen_ : 0;
  counts.words = words_ + (missing_ != 0 && !in_word_ ? 1 : 0);
  return counts;
}

}  // namespace text
