/// pipeline/plugin_limits.hpp: reads the limits of plugins that a pipeline file gives in
/// [plugins.x].
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include <tenon/catalog.hpp>
#include <tenon/pipeline.hpp>

namespace tenon::internal {

/// Returns the limits that a file gives, overrides included, by plugin. Plugins without limits in
/// the file are left out; a limit that the file does not give has its value in `usual`. The limits
/// are read before the file is loaded, because loading needs the catalog, and the catalog inspects
/// plugins within these limits. An invalid value counts as absent, as in read_plugin_dirs.
[[nodiscard]] std::map<std::string, PluginLimits> read_plugin_limits(const std::filesystem::path& file,
                                                                     const LoadOptions& options,
                                                                     const PluginLimits& usual);

}  // namespace tenon::internal
