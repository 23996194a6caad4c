/// Finds out which sources of `tenon dev` were saved.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <vector>

#include "platform/file_watch.hpp"
#include "tools/tenon/dev_build.hpp"

namespace tenon::cli {

/// The files below a directory that a build reads, or may read by their names, and one additional
/// file. Not thread-safe.
///
/// A build may write below its sources, for example a header with its version. Outputs that its
/// rules name never count. Any other file that changes during two builds in a row is considered an
/// output of the build. So a person who saves during a build gets the next build, but an endless
/// series of builds is stopped.
class DevSources {
 public:
  /// `without` is not searched; `also` may be empty.
  DevSources(std::filesystem::path root, std::filesystem::path without, std::filesystem::path also,
             internal::FileWatch watch);

  [[nodiscard]] const internal::FileDescriptor& descriptor() const noexcept { return watch_.descriptor(); }
  /// Returns the sources that have changed since the last call.
  [[nodiscard]] std::vector<std::filesystem::path> changed();

  void begin_build();
  /// `files`: the files that the rules of the build name. Returns the files now known to be written
  /// by the build although its rules do not name them.
  [[nodiscard]] std::vector<std::filesystem::path> end_build(BuildFiles files);

 private:
  /// The time of the last write of each file.
  using Times = std::map<std::filesystem::path, std::int64_t>;

  [[nodiscard]] Times look();
  void note(const std::filesystem::path& file, Times& times) const;
  [[nodiscard]] bool counts(const std::filesystem::path& file) const;

  const std::filesystem::path root_;
  const std::filesystem::path without_;
  const std::filesystem::path also_;
  internal::FileWatch watch_;
  std::set<std::filesystem::path> own_output_;  ///< Each line written there would start another
                                                ///< build.
  std::set<std::filesystem::path> watched_;
  Times seen_;
  Times before_build_;
  BuildFiles build_;
  std::set<std::filesystem::path> suspects_;  ///< They changed during the last build.
  std::set<std::filesystem::path> written_;   ///< They change during each build.
};

}  // namespace tenon::cli
