/// A file that has no name until it is complete.
#pragma once

#include <cstdint>
#include <string>

#include "common/content.hpp"

namespace tenon::plugins {

/// A new file in a directory. If the file system supports it, the file has no name until keep_as()
/// or keep_as_new() names it, so that a process that dies leaves nothing behind. Otherwise, and
/// briefly while it replaces another file, it has a hidden name `.tenon-*.part`. Its writer holds a
/// lock on such a file, so that sweep_parts() can distinguish it from files left behind by killed
/// writers. keep_for_later() gives it a name that outlives its writer, but not its host: the parent
/// of the process. Not thread-safe.
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
  /// Removes the file unless it was named, or another writer has taken it over.
  ~NewFile();

  /// Creates an empty file that only its owner can read and write. Called once, first. Returns 0 or
  /// the OS code.
  [[nodiscard]] int create(Names names = Names::kAvoid);
  [[nodiscard]] int get() const noexcept { return file_.get(); }

  /// Gives the file a hidden name under which take_over() finds it if this process dies.
  /// sweep_parts() keeps it as long as the host lives. Returns 0 or the OS code.
  [[nodiscard]] int keep_for_later();
  /// Its hidden name; empty if it has none.
  [[nodiscard]] const std::string& hidden_name() const noexcept { return part_; }
  /// Continues a file that another writer kept for later, instead of create(). `name` was its hidden
  /// name; if a third writer has taken it over meanwhile, it is found by `device` and `inode`. Its
  /// hidden name changes, so that the end of the other writer does not remove it. Returns 0 or the
  /// OS code: ENOENT if there is no such file.
  [[nodiscard]] int take_over(const std::string& name, std::uint64_t device, std::uint64_t inode);

  /// Names the file if the name is free. Returns 0, or the OS code: EEXIST if the name exists.
  [[nodiscard]] int keep_as_new(const std::string& name);
  /// Names the file, replacing an existing one. Returns 0 or the OS code.
  [[nodiscard]] int keep_as(const std::string& name);

 private:
  [[nodiscard]] int link_as(const char* name) const;
  [[nodiscard]] int create_part();

  int directory_;
  std::string part_;  ///< Its hidden name; empty if it has none.
  bool kept_ = false;
  FileDescriptor file_;
};

/// Removes the file that was kept for later under any hidden name in an open directory, if it exists.
void remove_kept(int directory, std::uint64_t device, std::uint64_t inode);

/// Removes the hidden files that killed writers have left in an open directory. Files of living
/// writers, in any process or machine, are kept, and so are those that a living host may continue.
void sweep_parts(int directory);

}  // namespace tenon::plugins
