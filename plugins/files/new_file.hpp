/// A file that has no name until it is complete.
#pragma once

#include <string>

#include "common/content.hpp"

namespace files {

/// A new file in a directory. If the file system supports it, the file has no name until keep_as()
/// or keep_as_new() names it, so that a process that dies leaves nothing behind. Otherwise, and
/// briefly while it replaces another file, it has a hidden name `.tenon-*.part`. Its writer holds a
/// lock on such a file, so that sweep_parts() can distinguish it from files left behind by killed
/// writers. Not thread-safe.
class NewFile {
 public:
  enum class Names {
    kAvoid,  ///< If the file system supports it.
    kUse     ///< For tests of file systems that do not.
  };

  /// `directory` is an open directory, which must outlive this object.
  explicit NewFile(int directory) noexcept : directory_(directory) {}
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;
  /// Removes the file unless it was named.
  ~NewFile();

  /// Creates an empty file that only its owner can read and write. Called once, first. Returns 0 or
  /// the OS code.
  [[nodiscard]] int create(Names names = Names::kAvoid);
  [[nodiscard]] int get() const noexcept { return file_.get(); }
  /// Names the file if the name is free. Returns 0, or the OS code: EEXIST if the name exists.
  [[nodiscard]] int keep_as_new(const std::string& name);
  /// Names the file, replacing an existing one. Returns 0 or the OS code.
  [[nodiscard]] int keep_as(const std::string& name);

 private:
  [[nodiscard]] int link_as(const char* name) const;
  [[nodiscard]] int create_part();

  int directory_;
  std::string part_;  ///< Its hidden name; empty if it has none.
  tenon::plugins::FileDescriptor file_;
};

/// Removes the hidden files that killed writers have left in an open directory. Files of living
/// writers, in any process or machine, are kept.
void sweep_parts(int directory);

}  // namespace files
