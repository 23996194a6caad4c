/// A window that moves over a text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "common/poll.hpp"
#include "common/text_reader.hpp"

namespace tenon::plugins {

/// The part of a text that has been read and not been consumed. Not thread-safe.
class TextWindow {
 public:
  enum class More {
    kRead,  ///< There is more text than before.
    kEnd,   ///< The text has ended.
    kFull   ///< The window has its maximum size.
  };

  /// Borrows `reader`. The window grows up to `max_bytes`.
  TextWindow(TextReader& reader, std::size_t max_bytes);
  /// Sets the position of `reader` before the first text is read.
  void start_at(std::uint64_t offset_bytes) noexcept { offset_bytes_ = offset_bytes; }

  /// The text; it may be changed in place. Valid until the next call of more().
  [[nodiscard]] std::span<char> text() noexcept { return {buffer_.data() + begin_, end_ - begin_}; }
  /// Reads more text. Throws as TextReader::read; exceptions of `poll`.
  More more(const Poll& poll);
  /// Moves the start of the window. `count` is at most its size.
  void consume(std::size_t count) noexcept {
    begin_ += count;
    offset_bytes_ += count;
  }
  /// Position of the start of the window in the unpacked text.
  [[nodiscard]] std::uint64_t offset_bytes() const noexcept { return offset_bytes_; }

 private:
  TextReader& reader_;
  std::size_t max_bytes_;
  std::uint64_t offset_bytes_ = 0;
  std::vector<char> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

/// One line of a text.
struct ScannedLine {
  std::string_view text;  ///< Without its line ending, LF or CR LF.
  /// Whether it is longer than the window; `text` is then its start, and the rest is skipped.
  bool too_long = false;
};

/// Reads the next line and consumes it; false at the end. The line is valid until the window
/// changes. Throws as TextWindow::more.
bool next_line(TextWindow& window, ScannedLine& line, const Poll& poll);

}  // namespace tenon::plugins
