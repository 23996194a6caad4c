/// The sources of `tenon dev`: which of them were saved.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <vector>

#include "platform/file_watch.hpp"
#include "tools/tenon/dev_build.hpp"

namespace tenon::cli {

/// The files below a directory that a build reads, or may read by their names, and one file more. Not thread-safe.
///
/// A build may write below its sources: a header with its version, say. What its rules name as products never counts.
/// Of what they do not name, a file that changes during two builds in a row is taken for one that the build writes: a
/// person who saves during a build gets the next build, and one that builds for ever is stopped.
class DevSources {
 public:
  /// `without` is not looked into; `also` may be empty.
  DevSources(std::filesystem::path root, std::filesystem::path without, std::filesystem::path also,
             internal::FileWatch watch);

  [[nodiscard]] const internal::FileDescriptor& descriptor() const noexcept { return watch_.descriptor(); }
  /// The sources that have changed since the last call.
  [[nodiscard]] std::vector<std::filesystem::path> changed();

  void begin_build();
  /// `files`: what the build's rules say. Gives the files that are now known to be written by the build though its
  /// rules do not say so.
  [[nodiscard]] std::vector<std::filesystem::path> end_build(BuildFiles files);

 private:
  /// When each file was last written.
  using Times = std::map<std::filesystem::path, std::int64_t>;

  [[nodiscard]] Times look();
  void note(const std::filesystem::path& file, Times& times) const;
  [[nodiscard]] bool counts(const std::filesystem::path& file) const;

  const std::filesystem::path root_;
  const std::filesystem::path without_;
  const std::filesystem::path also_;
  internal::FileWatch watch_;
  std::set<std::filesystem::path> own_output_;  ///< Each line there would cause the next build.
  std::set<std::filesystem::path> watched_;
  Times seen_;
  Times before_build_;
  BuildFiles build_;
  std::set<std::filesystem::path> suspects_;  ///< They changed during the last build.
  std::set<std::filesystem::path> written_;   ///< They change during each build.
};

}  // namespace tenon::cli
