/// plugin/plugin_fingerprint.hpp: the state of a plugin's files, found without reading them.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <vector>

#include <tenon/catalog.hpp>

namespace tenon::internal {

/// One state of a plugin file and of its own libraries. Two contents have different fingerprints.
struct PluginFingerprint {
  PluginFileState file;
  /// By path. A library that is missing has no entry.
  std::map<std::filesystem::path, PluginFileState> libraries = {};
  /// The directories in which its libraries are searched; see OwnLibraries::directories. Not compared.
  std::vector<std::filesystem::path> directories = {};
  friend bool operator==(const PluginFingerprint& one, const PluginFingerprint& other) {
    return one.file == other.file && one.libraries == other.libraries;
  }
};

/// The fingerprint now; nullopt if `file` is not a regular file. [any-thread]
[[nodiscard]] std::optional<PluginFingerprint> fingerprint_of(const std::filesystem::path& file);

}  // namespace tenon::internal
