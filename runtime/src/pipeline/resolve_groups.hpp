/// Checks the groups of a reduce against the type of its items.
#pragma once

#include "pipeline/declaration.hpp"
#include "pipeline/diagnostics.hpp"
#include "pipeline/plan.hpp"
#include "pipeline/task_directory.hpp"

namespace tenon::internal {

/// Fills `plan.groups`, and what its results carry into `plan.output_type`. Does nothing for a stage
/// without groups. Reports fields that do not exist or have no value that can be a key or a time.
void resolve_groups(const NodeDeclaration& node, const TaskDirectory& directory, Reporter& reporter, PlanNode& plan);

}  // namespace tenon::internal
