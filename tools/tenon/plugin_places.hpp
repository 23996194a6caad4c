/// Where the commands find plugins.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <tenon/catalog.hpp>

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

/// The catalog of these directories. Errors: usage, bad configuration.
[[nodiscard]] Outcome<Catalog> open_catalog(const World& world, const std::vector<std::string>& asked,
                                            const std::vector<std::filesystem::path>& of_file = {});

/// A task by its full name. Errors: usage for a name that does not exist, bad configuration when its plugin is there
/// but cannot be used.
[[nodiscard]] Outcome<TaskRef> find_task(const Catalog& catalog, const std::string& full_name);

}  // namespace tenon::cli
