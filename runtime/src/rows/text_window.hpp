/// A window that moves over a text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "rows/poll.hpp"

namespace tenon::rows {

/// A text that is read from its start to its end.
class ByteSource {
 public:
  ByteSource() = default;
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;
  virtual ~ByteSource() = default;

  /// Reads up to buffer.size() bytes, which are at least one; returns 0 only at the end. Throws as
  /// its implementation says.
  virtual std::size_t read(std::span<std::uint8_t> buffer) = 0;
};

/// The part of a text that has been read and not been consumed. Not thread-safe.
class TextWindow {
 public:
  enum class More {
    kRead,  ///< There is more text than before.
    kEnd,   ///< The text has ended.
    kFull   ///< The window has its maximum size.
  };

  enum class Reading {
    kFull,       ///< `more` reads until the window is full.
    kAvailable,  ///< `more` reads once, so that it returns what a pipe has.
  };

  /// Borrows `source`. The window grows up to `max_bytes`.
  TextWindow(ByteSource& source, std::size_t max_bytes, Reading reading = Reading::kFull);
  /// Sets the position of the source before the first text is read.
  void start_at(std::uint64_t offset_bytes) noexcept { offset_bytes_ = offset_bytes; }

  /// The text; it may be changed in place. Valid until the next call of more().
  [[nodiscard]] std::span<char> text() noexcept { return {buffer_.data() + begin_, end_ - begin_}; }
  /// Reads more text. Throws as ByteSource::read; exceptions of `poll`.
  More more(const Poll& poll);
  /// Moves the start of the window. `count` is at most its size.
  void consume(std::size_t count) noexcept {
    begin_ += count;
    offset_bytes_ += count;
  }
  /// Position of the start of the window in the unpacked text.
  [[nodiscard]] std::uint64_t offset_bytes() const noexcept { return offset_bytes_; }

 private:
  ByteSource& source_;
  std::size_t max_bytes_;
  Reading reading_;
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

}  // namespace tenon::rows
