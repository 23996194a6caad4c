/// Plugins in Python that lie in plugin directories as they are: the Python package packs them when they are seen.
#pragma once

#include <filesystem>
#include <vector>

#include "tools/tenon/failure.hpp"
#include "tools/tenon/world.hpp"

namespace tenon::cli {

/// Whether a path is that of a plugin in Python: a .py file or a package.
[[nodiscard]] bool is_python_plugin(const std::filesystem::path& path);

/// Adds the directories that the plugins in Python of `places` are packed into, each behind its own. What cannot be
/// packed is reported on standard error, and so is a missing Python package.
void add_python_plugins(const World& world, std::vector<std::filesystem::path>& places);

/// Packs one plugin and gives its file. Errors: bad configuration when it cannot be a plugin, or there is no Python
/// package.
[[nodiscard]] Outcome<std::filesystem::path> pack_python_plugin(const World& world,
                                                                const std::filesystem::path& source);

}  // namespace tenon::cli
