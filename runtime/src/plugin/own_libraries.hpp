/// plugin/own_libraries.hpp: the libraries that belong to a plugin rather than to the system.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "platform/byte_source.hpp"

namespace tenon::internal {

/// A library that a plugin, or one of its libraries, needs and that does not belong to the system.
struct OwnLibrary {
  /// The name by which it is needed, without directories; the loader knows it by this name.
  std::string name;
  std::filesystem::path file;
  /// A copy loaded from elsewhere cannot replace it: it is needed by a path, where the loader finds it.
  bool fixed = false;
};

/// The result of a search.
struct OwnLibraries {
  std::vector<OwnLibrary> libraries;  ///< Each library follows those that it needs.
  /// The searched directories, in order, except for the loader's default ones; some may not exist. A library that is
  /// put there later may belong to the plugin.
  std::vector<std::filesystem::path> directories;
};

/// The libraries that the loader finds for a plugin by DT_RPATH, DT_RUNPATH, LD_LIBRARY_PATH or a
/// path, directly or through other such libraries. This leaves out libraries in the loader's default directories, those
/// larger than kMaxPluginBytes, and missing ones. `origin` stands for `$ORIGIN`: the directory into which the author
/// put the plugin. Any bytes may be given; a source that is not a shared library has none. Takes some system calls for
/// each library. [any-thread]
[[nodiscard]] OwnLibraries own_libraries(const ByteSource& plugin, const std::filesystem::path& origin);
/// The same for a plugin file; empty if it cannot be read. [any-thread]
[[nodiscard]] OwnLibraries own_libraries(const std::filesystem::path& plugin);

}  // namespace tenon::internal
