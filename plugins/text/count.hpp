/// Counts of a text.
#pragma once

#include <cstdint>
#include <span>

#include "text_generated.h"

namespace text {

/// Takes a text piece by piece, wherever it is cut.
class Counter {
 public:
  void add(std::span<const std::uint8_t> bytes);
  /// The counts of all pieces as one text; without a path.
  [[nodiscard]] CountsT finish() const;

 private:
  CountsT counts_;
  std::uint64_t line_bytes_ = 0;
  bool in_word_ = false;
  /// Of a UTF-8 sequence that is not complete: how many bytes are missing, and the range of the next one.
  unsigned missing_ = 0;
  std::uint8_t low_ = 0x80;
  std::uint8_t high_ = 0xBF;
  unsigned seen_ = 0;
};

}  // namespace text
