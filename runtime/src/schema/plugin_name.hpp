/// schema/plugin_name.hpp: the names that a plugin may have; a name is also the prefix of its
/// tasks.
#pragma once

#include <string_view>

namespace tenon::internal {

/// Whether `name` is a valid name of a plugin: [a-z][a-z0-9_]*, shorter than
/// TENON_MANIFEST_NAME_SIZE.
[[nodiscard]] bool is_plugin_name(std::string_view name) noexcept;

}  // namespace tenon::internal
