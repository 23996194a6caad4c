/// Reads a text line by line.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/text_reader.hpp"
#include "text_generated.h"

namespace text {

/// Splits a text at its line endings, LF or CR LF. Memory: the longest line kept, and a buffer.
class LineSplitter {
 public:
  /// Borrows `reader`, whose position is `offset_bytes`. `path` is for messages.
  LineSplitter(tenon::plugins::TextReader& reader, std::string path, std::uint32_t max_line_bytes, LongLines long_lines,
               std::uint64_t offset_bytes = 0);

  /// Reads the next line; false at the end. A last line without a line ending counts; an empty rest
  /// after the last ending does not. Throws TaskError: as TextReader::read; TENON_TOO_LARGE for a
  /// long line if `long_lines` is `fail`; exceptions of `poll`.
  bool next(const tenon::plugins::Poll& poll);

  /// The line without its line ending, cut after max_line_bytes. Valid until the next call of next.
  [[nodiscard]] std::string_view line() const noexcept { return line_; }
  /// Offset of the next line in the unpacked text.
  [[nodiscard]] std::uint64_t offset_bytes() const noexcept { return offset_bytes_; }

 private:
  tenon::plugins::TextReader& reader_;
  std::string path_;
  std::uint32_t max_line_bytes_;
  LongLines long_lines_;
  std::uint64_t offset_bytes_;
  std::vector<std::uint8_t> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::string line_;
};

}  // namespace text
