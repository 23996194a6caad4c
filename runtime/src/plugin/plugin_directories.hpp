/// plugin/plugin_directories.hpp: where plugin files are looked for.
#pragma once

#include <filesystem>
#include <vector>

#include <tenon/catalog.hpp>
#include <tenon/error.hpp>

namespace tenon::internal {

/// What a plugin file's name ends with.
inline constexpr const char* kPluginExtension = ".so";

/// The directories to search, in order, each once, absolute. Errors: kNotFound one of
/// CatalogOptions::plugin_dirs is not there or is no directory. [any-thread]
[[nodiscard]] Result<std::vector<std::filesystem::path>> plugin_directories(const CatalogOptions& options);

/// Plugin files of one directory by name; links that lead nowhere too, so that they are listed with
/// their problem. Errors: a directory that cannot be read. [any-thread]
[[nodiscard]] Result<std::vector<std::filesystem::path>> plugin_files(const std::filesystem::path& directory);

}  // namespace tenon::internal
