/// Writes rows of text to a file, packed if its name says so.
#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>

#include <tenon/types_generated.h>
#include <tenon/plugin.hpp>

#include "common/output_file.hpp"
#include "common/poll.hpp"
#include "common/text_packer.hpp"

namespace tenon::plugins {

/// A file of rows. Memory: the longest row, and about 1 MiB. Throws as OutputFile. Not thread-safe.
class RowOutput {
 public:
  explicit RowOutput(OutputOptions options);

  /// Starts a new file, or to append, a copy of the existing one. Throws TaskError also if that is
  /// not packed as its name says, or cannot be read.
  void start(const Poll& poll);
  /// As OutputFile::resume.
  bool resume(const OutputPosition& position) { return file_.resume(position); }

  /// Text that is appended here is written later. It must not be cut by more than what was appended
  /// since the last end_row().
  [[nodiscard]] std::string& text() noexcept { return text_; }
  /// To be called after each row.
  void end_row(const Poll& poll);
  /// Writes what is left, and returns where the file can be continued.
  OutputPosition position();
  /// Completes the file and returns its description.
  tenon::FileT finish(const Poll& poll);

  [[nodiscard]] const std::string& path() const noexcept { return file_.path(); }
  /// Whether the text follows that of an existing file, which need not have a row: it may consist of
  /// empty lines, or of a packed file's frame.
  [[nodiscard]] bool appends_to_text() const noexcept { return file_.appends() && file_.size_bytes() != 0; }

 private:
  /// Whether the existing text ends in the middle of a line.
  bool ends_in_line(const struct stat& status, const Poll& poll) const;
  void flush(bool end_member, const Poll& poll);

  OutputFile file_;
  std::unique_ptr<TextPacker> packer_;
  std::string text_;
  std::exception_ptr failure_;
};

/// Decides what happens to items that cannot be written as rows.
class BrokenItems {
 public:
  /// `skip`: log and count them; otherwise the first one is an error. `count` is part of the
  /// session's state.
  BrokenItems(const tenon::Call& call, std::string path, bool skip, std::uint64_t& count)
      : call_(call), path_(std::move(path)), skip_(skip), count_(count) {}

  /// Reports the item with this number, from 1. Throws TaskError TENON_INVALID_ARGUMENT:
  /// `'a.csv', item 7: why`.
  void add(std::uint64_t item, const std::string& why);
  /// Logs the total.
  void finish() const;

 private:
  const tenon::Call& call_;
  std::string path_;
  bool skip_;
  std::uint64_t& count_;
};

/// Copies a position to the fields of the same names in a plugin's checkpoint.
template <typename T>
void save_position(const OutputPosition& position, T& out) {
  out.part = position.part;
  out.device = position.device;
  out.inode = position.inode;
  out.size_bytes = position.size_bytes;
  out.base_inode = position.base_inode;
  out.base_size_bytes = position.base_size_bytes;
  out.base_mtime_ns = position.base_mtime_ns;
}

/// The same in the other direction.
template <typename T>
OutputPosition position_of(const T& saved) {
  return {saved.part,       saved.device,          saved.inode,        saved.size_bytes,
          saved.base_inode, saved.base_size_bytes, saved.base_mtime_ns};
}

}  // namespace tenon::plugins
