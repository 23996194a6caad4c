/// schema/plugin_name.hpp: which names a plugin may have; they are also the prefixes of its tasks.
#pragma once

#include <string_view>

namespace tenon::internal {

/// Whether `name` may name a plugin: [a-z][a-z0-9_]*, shorter than TENON_MANIFEST_NAME_SIZE.
[[nodiscard]] bool is_plugin_name(std::string_view name) noexcept;

}  // namespace tenon::internal
