/// plugin/plugin_directories.hpp: where plugin files are searched.
#pragma once

#include <filesystem>
#include <vector>

#include <tenon/catalog.hpp>
#include <tenon/error.hpp>

namespace tenon::internal {

/// Extension of plugin files.
inline constexpr const char* kPluginExtension = ".so";

/// The directories to search, in order, each once, absolute. Errors: kNotFound: a directory of
/// CatalogOptions::plugin_dirs does not exist or is not a directory. [any-thread]
[[nodiscard]] Result<std::vector<std::filesystem::path>> plugin_directories(const CatalogOptions& options);

/// The plugin files of one directory, by name, including dangling links, so that they are listed with their problem.
/// Errors: the directory cannot be read. [any-thread]
[[nodiscard]] Result<std::vector<std::filesystem::path>> plugin_files(const std::filesystem::path& directory);

}  // namespace tenon::internal
