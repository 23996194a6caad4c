/// pipeline/plugin_dirs.hpp: reads the plugin directories that a pipeline file names.
#pragma once

#include <filesystem>
#include <vector>

#include <tenon/pipeline.hpp>

namespace tenon::internal {

/// Returns `plugin_dirs` of the file's [pipeline] table, overrides included; relative directories
/// are relative to the directory of the file. They are read before the file is loaded, because
/// loading needs the catalog. The result is also empty if the file is not a regular file, cannot be
/// read or has errors there; Graph::load reports these.
[[nodiscard]] std::vector<std::filesystem::path> read_plugin_dirs(const std::filesystem::path& file,
                                                                  const LoadOptions& options);

}  // namespace tenon::internal
