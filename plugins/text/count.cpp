#include "text/count.hpp"

#include <locale.h>
#include <wctype.h>

#include <algorithm>
#include <bit>

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

void Counter::take_byte(std::uint8_t byte) noexcept {
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
      return;
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
    return;
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

std::size_t Counter::take_plain(const tenon::plugins::ByteBlock& block) noexcept {
  std::uint64_t printable = block.between('!', '~');
  const std::uint64_t other = ~(printable | block.equal(' ') | block.between('\t', '\r'));
  const auto size = static_cast<std::size_t>(std::countr_zero(other));
  if (size == 0) {
    return 0;
  }
  std::uint64_t newlines = block.equal('\n');
  if (size < tenon::plugins::ByteBlock::kSize) {
    const std::uint64_t plain = (std::uint64_t{1} << size) - 1;
    printable &= plain;
    newlines &= plain;
  }
  // A word starts at each printable byte that has none before it.
  const std::uint64_t starts = printable & ~((printable << 1) | (in_word_ ? 1u : 0u));
  words_ += static_cast<std::uint64_t>(std::popcount(starts));
  in_word_ = ((printable >> (size - 1)) & 1) != 0;
  counts_.characters += size;
  std::uint64_t line_begin = 0;
  for (; newlines != 0; newlines &= newlines - 1) {
    const auto end = static_cast<std::uint64_t>(std::countr_zero(newlines));
    ++counts_.lines;
    counts_.longest_line_bytes = std::max(counts_.longest_line_bytes, line_bytes_ + end - line_begin);
    line_bytes_ = 0;
    line_begin = end + 1;
  }
  line_bytes_ += size - line_begin;
  return size;
}

void Counter::add(std::span<const std::uint8_t> bytes) {
  counts_.size_bytes += bytes.size();
  const std::uint8_t* at = bytes.data();
  const std::uint8_t* const end = at + bytes.size();
  while (at != end) {
    if (missing_ == 0 && static_cast<std::size_t>(end - at) >= tenon::plugins::ByteBlock::kSize) {
      if (const std::size_t size = take_plain(tenon::plugins::ByteBlock(at)); size != 0) {
        at += size;
        continue;
      }
    }
    // Sequences of several bytes mostly come in groups.
    do {
      take_byte(*at++);
    } while (at != end && (missing_ != 0 || *at >= 0x80));
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
