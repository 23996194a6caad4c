/// pipeline/plugin_limits.hpp: the limits of plugins that a pipeline file gives in [plugins.x].
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include <tenon/catalog.hpp>
#include <tenon/pipeline.hpp>

namespace tenon::internal {

/// The limits that a file gives, overrides included, by plugin; only of plugins that the file gives a limit. What it
/// does not give is `usual`. They are read before the file is loaded, because loading needs the catalog, and the
/// catalog inspects plugins within these limits. What is wrong with the file counts as absent, as in read_plugin_dirs.
[[nodiscard]] std::map<std::string, PluginLimits> read_plugin_limits(const std::filesystem::path& file,
                                                                     const LoadOptions& options,
                                                                     const PluginLimits& usual);

}  // namespace tenon::internal
