/// plugin/own_libraries.hpp: the libraries that a plugin expects beside itself.
#pragma once

#include <filesystem>
#include <vector>

#include <tenon/error.hpp>

#include "plugin/byte_source.hpp"

namespace tenon::internal {

/// The libraries that a plugin needs and finds by `$ORIGIN` in its search path, where they exist. `origin` stands for
/// `$ORIGIN`: the directory that the author put the plugin into. A copy of the plugin that lies elsewhere finds them
/// only if they are loaded before it. Any bytes may be given; what is not understood names no libraries. [any-thread]
[[nodiscard]] std::vector<std::filesystem::path> own_libraries(const ByteSource& plugin,
                                                               const std::filesystem::path& origin);

}  // namespace tenon::internal
