/// pipeline/plugin_dirs.hpp: the plugin directories that a pipeline file names.
#pragma once

#include <filesystem>
#include <vector>

#include <tenon/pipeline.hpp>

namespace tenon::internal {

/// `plugin_dirs` of a file's [pipeline], overrides included, relative ones to the directory of the file. They are read
/// before the file is loaded, because loading needs the catalog. Empty also when the file is not a regular one, cannot
/// be read or has errors there: Graph::load reports those.
[[nodiscard]] std::vector<std::filesystem::path> read_plugin_dirs(const std::filesystem::path& file,
                                                                  const LoadOptions& options);

}  // namespace tenon::internal
