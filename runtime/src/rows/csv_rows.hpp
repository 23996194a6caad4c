/// Splits text into rows and rows into fields.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "rows/poll.hpp"
#include "rows/text_window.hpp"

namespace tenon::rows {

/// What separates and encloses the fields of a table.
struct CsvDialect {
  char separator = ',';
  /// '\0' for none.
  char quote = '"';
};

struct CsvField {
  std::string_view text;
  bool quoted = false;
};

/// Reads rows from a window. A field in quotes may contain separators, line breaks, and doubled
/// quotes, which stand for one. A quote within an unquoted field stands for itself. Lines end with
/// LF or CR LF. Empty lines are skipped. Not thread-safe.
class CsvRowReader {
 public:
  enum class Step {
    kRow,
    kBroken,   ///< why() says what is wrong; the reader continues after the row.
    kTooLong,  ///< The row does not fit into the window.
    kEnd
  };

  /// Borrows `window`. `line` is the number of lines before its start.
  CsvRowReader(TextWindow& window, CsvDialect dialect, std::uint64_t line)
      : window_(window), dialect_(dialect), line_(line) {}

  /// Throws as TextWindow::more.
  Step next(const Poll& poll);

  /// Counts a line that was consumed from the window elsewhere.
  void count_line() noexcept { ++line_; }

  /// The fields of the last row; valid until the next call of next().
  [[nodiscard]] std::span<const CsvField> fields() const noexcept { return fields_; }
  [[nodiscard]] const std::string& why() const noexcept { return why_; }
  /// Number of the line at which the last row started, from 1.
  [[nodiscard]] std::uint64_t row_line() const noexcept { return row_line_; }
  /// Number of lines before the next row.
  [[nodiscard]] std::uint64_t line() const noexcept { return line_; }

 private:
  enum class Scan { kRow, kNeedsMore, kBroken, kUnclosed };
  /// Where a field is, before its doubled quotes are removed.
  struct Span {
    std::size_t begin;
    std::size_t size;
    bool quoted;
    bool doubled;
  };

  Scan scan(std::span<const char> text, bool ended);
  Scan scan_quoted(std::span<const char> text, bool ended, std::size_t& at, Span& span);
  void take(std::span<char> text);
  void skip_line(std::size_t from, const Poll& poll);

  TextWindow& window_;
  CsvDialect dialect_;
  std::uint64_t line_;
  std::uint64_t row_line_ = 0;
  std::vector<Span> spans_;
  std::vector<CsvField> fields_;
  std::size_t row_bytes_ = 0;    ///< Size of the scanned row with its line ending.
  std::uint64_t row_lines_ = 0;  ///< Its number of lines.
  std::size_t broken_at_ = 0;
  std::string why_;
};

}  // namespace tenon::rows
