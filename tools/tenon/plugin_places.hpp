/// Where the commands find plugins.
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

/// Directories in the order they count: those `asked` for on the command line, those of TENON_PLUGIN_PATH that exist,
/// and beside the program (../plugins of a build, ../lib/tenon/plugins of an installation) if it exists. Errors: usage
/// when one that was asked for is no directory.
/// Those that a pipeline file names come behind the command line's. Errors: bad configuration when one of these is no
/// directory.
[[nodiscard]] Outcome<std::vector<std::filesystem::path>> plugin_places(
    const World& world, const std::vector<std::string>& asked, const std::vector<std::filesystem::path>& of_file = {});

/// What plugins may take while they are loaded.
struct CatalogLimits {
  PluginLimits usual;
  std::map<std::string, PluginLimits> of;  ///< By plugin.

  /// Adds the limits that a pipeline file gives, overrides included. If two files give one plugin a limit, the higher
  /// one counts.
  void add_file(const std::string& file, const LoadOptions& options);
  /// For a runtime with the same plugins.
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

/// The catalog of these directories. Errors: usage, bad configuration.
[[nodiscard]] Outcome<Catalog> open_catalog(const World& world, const std::vector<std::string>& asked,
                                            const CatalogLimits& limits = {},
                                            const std::vector<std::filesystem::path>& of_file = {});

/// A task by its full name. Errors: usage for a name that does not exist, bad configuration when its plugin is there
/// but cannot be used.
[[nodiscard]] Outcome<TaskRef> find_task(const Catalog& catalog, const std::string& full_name);

}  // namespace tenon::cli
