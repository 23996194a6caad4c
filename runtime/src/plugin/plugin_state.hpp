/// plugin/plugin_state.hpp: the state of a plugin's files, told without reading them.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <vector>

#include <tenon/catalog.hpp>

namespace tenon::internal {

/// One state of a plugin file and of its own libraries.
struct PluginState {
  PluginFileState file;
  /// By path. A library that is missing has no entry.
  std::map<std::filesystem::path, PluginFileState> libraries = {};
  /// Where its libraries are searched for: OwnLibraries::directories.
  std::vector<std::filesystem::path> directories = {};
  friend bool operator==(const PluginState& one, const PluginState& other) {
    return one.file == other.file && one.libraries == other.libraries;
  }
};

/// The state now; nullopt when it is not a regular file. [any-thread]
[[nodiscard]] std::optional<PluginState> plugin_state(const std::filesystem::path& file);

}  // namespace tenon::internal
