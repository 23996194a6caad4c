/// Finds the fields that conditions and projections name, and reports those that do not exist.
#pragma once

#include <string>

#include "pipeline/diagnostics.hpp"
#include "pipeline/item_field.hpp"
#include "pipeline/plan.hpp"
#include "pipeline/task_directory.hpp"

namespace tenon::internal {

/// Returns a field of the items on an edge by its dotted path, or what is known of an item besides
/// its fields: "@index", its number at its source from 1; behind a reduce with groups also what
/// find_group_field knows. `what` names the reader in messages, as
/// in "filter 'errors'". Returns null after reporting an error at `place`.
[[nodiscard]] ItemFieldPointer find_item_field(const EdgeType& type, const std::string& path, const Place& place,
                                               const std::string& what, const TaskDirectory& directory,
                                               Reporter& reporter);

}  // namespace tenon::internal
