/// A file that grows while a session runs, survives the death of the session's worker, and appears
/// under its name when it is complete.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include <tenon/types_generated.h>

#include "common/content.hpp"
#include "common/new_file.hpp"
#include "common/poll.hpp"

namespace tenon::plugins {

/// What to do if the file exists already.
enum class OutputExisting {
  kReplace,
  kAppend,  ///< To a copy of it, which then replaces it.
  kRefuse
};

struct OutputOptions {
  std::string path;
  OutputExisting existing = OutputExisting::kReplace;
  /// Permission bits; 0: those of the existing file, or 0644.
  std::uint32_t mode = 0;
  /// Whether file and directory are flushed to disk before the file appears.
  bool sync = true;
};

/// Where a session is in its file: its part of a checkpoint.
struct OutputPosition {
  /// The hidden name; empty while there is none.
  std::string part;
  /// Identity of the new file.
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  /// How much of it counts; the rest was written after the checkpoint.
  std::uint64_t size_bytes = 0;
  /// Identity of the file to which rows are appended; 0 if there is none.
  std::uint64_t base_inode = 0;
  std::uint64_t base_size_bytes = 0;
  std::int64_t base_mtime_ns = 0;
};

/// The file has no name while it has no rows that a checkpoint counts, if the file system supports
/// that; otherwise a hidden one in the directory of `path`. See new_file.hpp. Functions throw
/// TaskError: TENON_IO and the like with path, reason and advice; exceptions of `poll`. Not
/// thread-safe.
class OutputFile {
 public:
  /// Resolves the path, follows links and creates missing directories. Throws TaskError
  /// TENON_INVALID_ARGUMENT for a path that no regular file can have.
  explicit OutputFile(OutputOptions options);

  /// The file at the path now, if any.
  [[nodiscard]] std::optional<struct stat> existing() const;
  /// Starts a new file; for kAppend with a copy of the existing one.
  void start(const Poll& poll);
  /// Continues where a session of a dead worker was. Returns false if that had nothing in a file, so
  /// that start() is due. A file that was complete, and has its name, is not written again: what is
  /// written must be what it contains.
  bool resume(const OutputPosition& position);

  /// Writes at the end. After an error the file must not be used any more.
  void write(std::span<const std::uint8_t> data, const Poll& poll);
  /// The position for a checkpoint. The file gets a hidden name if it has rows, so that resume()
  /// finds it.
  OutputPosition position();
  /// Names the file and returns its description. The last function.
  tenon::FileT finish(const Poll& poll);

  [[nodiscard]] const std::string& path() const noexcept { return options_.path; }
  [[nodiscard]] const OutputOptions& options() const noexcept { return options_; }
  [[nodiscard]] std::uint64_t size_bytes() const noexcept { return position_.size_bytes; }
  /// The file that was copied by start(); none if there was none to append to.
  [[nodiscard]] bool appends() const noexcept { return position_.base_inode != 0; }

 private:
  [[noreturn]] void fail(std::string_view what, int os_code) const;
  void copy_existing(const struct stat& status, const Poll& poll);
  void compare(std::span<const std::uint8_t> data) const;
  void require_unchanged() const;
  void publish();
  [[nodiscard]] tenon::FileT description() const;

  OutputOptions options_;
  std::string name_;  ///< In its directory.
  FileDescriptor directory_;
  std::optional<NewFile> file_;
  FileDescriptor complete_;  ///< The file under its name, if an earlier session completed it.
  OutputPosition position_;
  std::uint64_t start_bytes_ = 0;  ///< Its size when start() had finished.
};

}  // namespace tenon::plugins
