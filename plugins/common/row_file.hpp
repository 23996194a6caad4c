/// What sources that read rows from a file share: its opening at a checkpoint, and broken rows.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <tenon/types_generated.h>
#include <tenon/plugin.hpp>

#include "common/content.hpp"
#include "common/text_reader.hpp"
#include "rows/text_window.hpp"

namespace tenon::plugins {

/// A file that is read from a position. Not thread-safe.
class RowFile {
 public:
  /// Borrows `file`. `max_size_bytes` limits the unpacked text, `max_row_bytes` one row. Throws
  /// TaskError as Content and TextReader.
  RowFile(const tenon::File& file, std::uint64_t max_size_bytes, std::uint64_t max_row_bytes);

  /// Continues at `offset_bytes`. `device` and `inode` are those of a checkpoint, or 0; they become
  /// those of the file. Throws TaskError TENON_FAILED if another or a shorter file is there now,
  /// where the offset would lead to wrong rows.
  void start(std::uint64_t offset_bytes, std::uint64_t& device, std::uint64_t& inode, const Poll& poll);

  [[nodiscard]] const std::string& path() const noexcept { return content_.path(); }
  [[nodiscard]] const Content& content() const noexcept { return content_; }
  [[nodiscard]] rows::TextWindow& window() noexcept { return window_; }

 private:
  Content content_;
  TextReader reader_;
  std::uint64_t max_row_bytes_;
  rows::TextWindow window_;
};

/// Decides what happens to broken rows.
class BrokenRows {
 public:
  /// `skip`: log and count them; otherwise the first one is an error. `count` is part of the
  /// session's state.
  BrokenRows(const tenon::Call& call, std::string path, bool skip, std::uint64_t& count)
      : call_(call), path_(std::move(path)), skip_(skip), count_(count) {}

  /// Reports the row that starts at `line`. Throws TaskError with `code`: `'a.csv', line 7: why`.
  void add(std::uint64_t line, const std::string& why, tenon_status_t code = TENON_CORRUPT);
  /// Logs the total.
  void finish() const;

 private:
  const tenon::Call& call_;
  std::string path_;
  bool skip_;
  std::uint64_t& count_;
};

}  // namespace tenon::plugins
