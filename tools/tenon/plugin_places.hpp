/// Determines where commands find plugins.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <tenon/catalog.hpp>
#include <tenon/pipeline.hpp>
#include <tenon/runtime.hpp>

#include "tools/tenon/command_line.hpp"
#include "tools/tenon/failure.hpp"
#include "tools/tenon/world.hpp"

namespace tenon::cli {

/// Returns the plugin directories in the order of precedence: those `asked` for on the command
/// line, those that a pipeline file names, those of TENON_PLUGIN_PATH that exist, and the one
/// beside the program (../plugins of a build, ../lib/tenon/plugins of an installation) if it
/// exists. Errors: usage if one that was asked for is not a directory; bad configuration if one
/// that a pipeline file names is not a directory.
[[nodiscard]] Outcome<std::vector<std::filesystem::path>> plugin_places(
    const World& world, const std::vector<std::string>& asked, const std::vector<std::filesystem::path>& of_file = {});

/// The limits for plugins while they are loaded.
struct CatalogLimits {
  PluginLimits usual;
  std::map<std::string, PluginLimits> of;  ///< Indexed by plugin.

  /// Adds the limits that a pipeline file gives, overrides included. If two files limit the same
  /// plugin, the higher limit applies.
  void add_file(const std::string& file, const LoadOptions& options);
  /// Sets the limits in the options of a runtime with the same plugins.
  void set(RuntimeOptions& options) const;
};

/// --start-timeout and --memory as they are written.
struct LimitOptions {
  std::string start_timeout;
  std::string memory;
};
void add_limit_options(CommandLine& line, LimitOptions& options);
/// Errors: usage.
[[nodiscard]] Outcome<CatalogLimits> read_limits(const LimitOptions& options);

/// Returns the catalog of these directories. Errors: usage, bad configuration.
[[nodiscard]] Outcome<Catalog> open_catalog(const World& world, const std::vector<std::string>& asked,
                                            const CatalogLimits& limits = {},
                                            const std::vector<std::filesystem::path>& of_file = {});

/// Returns a task by its full name. Errors: usage for a name that does not exist; bad configuration
/// if its plugin exists but cannot be used.
[[nodiscard]] Outcome<TaskRef> find_task(const Catalog& catalog, const std::string& full_name);

}  // namespace tenon::cli
