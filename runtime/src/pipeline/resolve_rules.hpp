/// Checks the rules of stages that need no task against the type of their items.
#pragma once

#include <string_view>

#include "pipeline/declaration.hpp"
#include "pipeline/diagnostics.hpp"
#include "pipeline/plan.hpp"
#include "pipeline/task_directory.hpp"

namespace tenon::internal {

/// Fills in the rule of a node whose input type is known; it may be a mixture of types. Does
/// nothing for a node that has no rule of this kind.
void resolve_rule(const NodeDeclaration& node, const TaskDirectory& directory, Reporter& reporter, PlanNode& plan);

/// Returns the type of the records that a projection makes.
[[nodiscard]] EdgeType record_type(const TaskDirectory& directory);
/// Returns one of the tables that all plugins share, such as tenon.Line.
[[nodiscard]] EdgeType shared_type(std::string_view name, const TaskDirectory& directory);

}  // namespace tenon::internal
