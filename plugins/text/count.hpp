/// Counts of a text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "common/byte_block.hpp"
#include "text_generated.h"

namespace text {

/// Counts a text that arrives in pieces, cut anywhere.
///
/// A word is a run of characters that are not white space, at least one of which is printable, as
/// for `wc -w` in the locale C.UTF-8 (GNU coreutils up to 9.4; later ones also count runs that
/// consist only of control characters). White space: U+0009 to U+000D, U+0020, U+00A0, U+1680,
/// U+2000 to U+200A, U+2028, U+2029, U+202F, U+205F, U+2060, U+3000. Control characters and
/// unassigned ones are not printable. Bytes that are not UTF-8 count as printable characters.
///
/// Runs of printable ASCII and white space are counted 64 bytes at a time; control characters and
/// UTF-8 sequences byte by byte.
class Counter {
 public:
  void add(std::span<const std::uint8_t> bytes);
  /// The counts of all pieces together, without a path.
  [[nodiscard]] CountsT finish() const;

 private:
  void take_word_part() noexcept {
    words_ += in_word_ ? 0 : 1;
    in_word_ = true;
  }
  void take_character(char32_t character) noexcept;
  void take_byte(std::uint8_t byte) noexcept;
  /// Counts the first bytes of a block that are printable ASCII or white space; returns their
  /// number. Not inside a UTF-8 sequence.
  std::size_t take_plain(const tenon::plugins::ByteBlock& block) noexcept;

  CountsT counts_;
  std::uint64_t line_bytes_ = 0;
  std::uint64_t words_ = 0;
  bool in_word_ = false;
  /// State of an incomplete UTF-8 sequence: number of missing bytes, range of the next one, number
  /// of bytes seen, and the character so far.
  unsigned missing_ = 0;
  std::uint8_t low_ = 0x80;
  std::uint8_t high_ = 0xBF;
  unsigned seen_ = 0;
  char32_t character_ = 0;
};

}  // namespace text
