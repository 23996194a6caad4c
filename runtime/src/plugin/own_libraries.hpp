/// plugin/own_libraries.hpp: the libraries that belong to a plugin and not to the system.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "platform/byte_source.hpp"

namespace tenon::internal {

/// A library that a plugin, or one of its libraries, needs and that is not the system's.
struct OwnLibrary {
  /// What the loader knows it by: the name that it is needed by, without directories.
  std::string name;
  std::filesystem::path file;
  /// A copy that is loaded from elsewhere does not take its place: it is needed by a path, where
  /// the loader finds it.
  bool fixed = false;
};

/// What a search found.
struct OwnLibraries {
  std::vector<OwnLibrary> libraries;  ///< Each after those that it needs.
  /// Where the search looked, in order, except for the loader's default directories; some may not
  /// exist. A library that is put there later may belong to the plugin.
  std::vector<std::filesystem::path> directories;
};

/// The libraries that the loader finds for a plugin by DT_RPATH, DT_RUNPATH, LD_LIBRARY_PATH or a
/// path, directly or through other such libraries. Left out are libraries in the loader's default
/// directories, those of more than kMaxPluginBytes, and those that are not there. `origin` stands
/// for `$ORIGIN`: the directory that the author put the plugin into. Any bytes may be given; a
/// source that is not a shared library has none. Takes some system calls for each library.
/// [any-thread]
[[nodiscard]] OwnLibraries own_libraries(const ByteSource& plugin, const std::filesystem::path& origin);
/// The same of a plugin file; none when it cannot be read. [any-thread]
[[nodiscard]] OwnLibraries own_libraries(const std::filesystem::path& plugin);

}  // namespace tenon::internal
