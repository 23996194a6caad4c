/// plugin/served_contents.hpp: which content was served last of each plugin file.
///
/// A version that was rolled back from leaves its file in the plugin directory. A host that starts again must not load
/// it, and goes on with what was served before it ended.
#pragma once

#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include <tenon/error.hpp>

namespace tenon::internal {

/// A directory of small records, a file for each plugin file, named by the SHA-256 of its path. Several processes may
/// use one directory at once; of two that serve one file, the last word counts. [any-thread]
class ServedContents {
 public:
  /// The directory must be there.
  explicit ServedContents(std::filesystem::path directory) : directory_(std::move(directory)) {}

  /// Remembers that `sha256` is what is served of the plugin file `source`, in the place of what was. Errors:
  /// kInvalidArgument no SHA-256; kIo.
  [[nodiscard]] Result<void> remember(const std::filesystem::path& source, const std::string& sha256) const;
  /// What was served last; nullopt when that is not known. A record that is broken counts as none.
  [[nodiscard]] std::optional<std::string> find(const std::filesystem::path& source) const;
  /// All contents that records name.
  [[nodiscard]] std::set<std::string> all() const;
  /// Removes records that nobody has made anew for a month, and what killed writers left behind.
  void sweep() const;

 private:
  [[nodiscard]] std::filesystem::path record_of(const std::filesystem::path& source) const;
  std::filesystem::path directory_;
};

}  // namespace tenon::internal
