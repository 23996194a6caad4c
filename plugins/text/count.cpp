#include "text/count.hpp"

#include <algorithm>

namespace text {
namespace {

bool is_space(std::uint8_t byte) {
  return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

}  // namespace

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
    const bool space = is_space(byte);
    counts_.words += !space && !in_word_ ? 1 : 0;
    in_word_ = !space;

    if (missing_ != 0) {
      if (byte >= low_ && byte <= high_) {
        ++seen_;
        low_ = 0x80;
        high_ = 0xBF;
        counts_.characters += --missing_ == 0 ? 1 : 0;
        continue;
      }
      counts_.characters += seen_;
      missing_ = 0;
    }
    seen_ = 1;
    low_ = byte == 0xE0 ? 0xA0 : byte == 0xF0 ? 0x90 : 0x80;
    high_ = byte == 0xED ? 0x9F : byte == 0xF4 ? 0x8F : 0xBF;
    missing_ = byte < 0xC2 || byte > 0xF4 ? 0 : byte < 0xE0 ? 1 : byte < 0xF0 ? 2 : 3;
    counts_.characters += missing_ == 0 ? 1 : 0;
  }
}

CountsT Counter::finish() const {
  CountsT counts = counts_;
  counts.longest_line_bytes = std::max(counts.longest_line_bytes, line_bytes_);
  counts.characters += missing_ != 0 ? seen_ : 0;
  return counts;
}

}  // namespace text
