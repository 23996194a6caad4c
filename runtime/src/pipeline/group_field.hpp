/// pipeline/group_field.hpp: reads the key and the window that the results of groups carry.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "pipeline/item_field.hpp"
#include "pipeline/item_group.hpp"

namespace tenon::internal {

/// Returns "@key" (for a single key), "@key.<field>", "@window_start", "@window_end" or
/// "@window_final" as a field; null if the groups have no such name.
[[nodiscard]] ItemFieldPointer find_group_field(const GroupShape& shape, std::string_view name);

/// Returns the names that find_group_field knows.
[[nodiscard]] std::vector<std::string> group_field_names(const GroupShape& shape);

}  // namespace tenon::internal
