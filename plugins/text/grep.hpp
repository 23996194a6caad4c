/// Searches lines for a regular expression.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/text_reader.hpp"
#include "text_generated.h"

namespace text {

/// A compiled pattern. Matching time is linear in the length of the text, for any pattern.
/// Thread-safe.
class Pattern {
 public:
  /// Throws TaskError TENON_INVALID_ARGUMENT with the pattern's error.
  Pattern(std::string_view pattern, bool literal, bool ignore_case);
  Pattern(Pattern&&) noexcept;
  ~Pattern();

  struct Range {
    std::size_t begin = 0;
    std::size_t end = 0;
  };
  /// The first match in `line`.
  [[nodiscard]] std::optional<Range> find(std::string_view line) const;

  /// Searches several lines at once for one that may match. Returns a position in that line; no line
  /// before it matches. npos if none of the lines matches. `find` decides about the line itself.
  [[nodiscard]] std::size_t find_candidate(std::string_view lines) const;

 private:
  struct Compiled;
  std::unique_ptr<Compiled> compiled_;
};

/// The longest text that each match of a regular expression contains; empty if none is known. The
/// expression is valid in the syntax of RE2.
std::string required_text(std::string_view expression);

/// Searches a text in large blocks, and finds start and end of a line only where it may match. Lines
/// end with LF or CR LF; text after the last line ending is a line unless it is empty. Memory: 256 KiB
/// or the longest line kept.
class LineSearch {
 public:
  struct Hit {
    /// Counted from 1.
    std::uint64_t number = 0;
    /// Without its line ending, cut after max_line_bytes. Valid until the next call of next.
    std::string_view line;
    /// The part of `line` that matches; empty for an inverted search.
    Pattern::Range range;
  };

  /// Borrows both. Lines are cut after `max_line_bytes` before they are searched. `invert` selects
  /// the lines that do not match.
  LineSearch(tenon::plugins::TextReader& reader, const Pattern& pattern, std::uint32_t max_line_bytes, bool invert);

  /// The next selected line; nullopt at the end. Throws TaskError as TextReader::read; exceptions
  /// of `poll`, which is called for each block.
  std::optional<Hit> next(const tenon::plugins::Poll& poll);

 private:
  /// Reads the next block. Returns whether there is one.
  bool fill(const tenon::plugins::Poll& poll);
  /// Keeps the start of a line that is too long as the block, and skips its rest.
  void take_long_line(const tenon::plugins::Poll& poll);
  /// Reads into the buffer behind its content; returns the number of bytes.
  std::size_t read_more();
  [[nodiscard]] std::string_view piece(std::size_t begin, std::size_t end) const noexcept;

  tenon::plugins::TextReader& reader_;
  const Pattern& pattern_;
  std::size_t max_line_bytes_;
  bool invert_;
  std::vector<std::uint8_t> buffer_;
  std::size_t at_ = 0;         ///< The first line of the block that has not been searched.
  std::size_t block_end_ = 0;  ///< The end of the block, which consists of whole lines.
  std::size_t size_ = 0;       ///< The end of what has been read.
  bool is_cut_ = false;        ///< Whether the block is the start of one long line.
  std::uint64_t lines_ = 0;    ///< Lines before at_.
};

}  // namespace text
