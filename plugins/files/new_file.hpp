/// A file that has no name until it is whole.
#pragma once

#include <string>

#include "common/content.hpp"

namespace files {

/// A new file of a directory. Where the file system can, it has no name until keep() gives it one, so that a process
/// that dies leaves nothing; elsewhere, and for an instant when it replaces another, it has a hidden name
/// `.tenon-*.part`. Its writer holds a lock on such a file, by which sweep_parts() tells it from what a killed writer
/// has left. Not thread-safe.
class NewFile {
 public:
  enum class Names {
    kAvoid,  ///< Where the file system can.
    kUse     ///< For tests of those that cannot.
  };

  /// `directory` is an open directory, borrowed for as long as this object.
  explicit NewFile(int directory) noexcept : directory_(directory) {}
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;
  /// Removes it unless it was given its name.
  ~NewFile();

  /// Makes an empty file that only its owner can read and write. Once, before all else. Returns 0 or the OS code.
  [[nodiscard]] int create(Names names = Names::kAvoid);
  [[nodiscard]] int get() const noexcept { return file_.get(); }
  /// Gives it the name if nothing has it. Returns 0, or the OS code: EEXIST when something has it.
  [[nodiscard]] int keep_as_new(const std::string& name);
  /// Gives it the name, in the place of what has it. Returns 0 or the OS code.
  [[nodiscard]] int keep_as(const std::string& name);

 private:
  [[nodiscard]] int link_as(const char* name) const;
  [[nodiscard]] int create_part();

  int directory_;
  std::string part_;  ///< Its hidden name; empty while it has none.
  tenon::plugins::FileDescriptor file_;
};

/// Removes the hidden files in an open directory that killed writers have left there. Those of a writer that lives, in
/// whichever process or machine, stay.
void sweep_parts(int directory);

}  // namespace files
