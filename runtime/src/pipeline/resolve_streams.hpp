/// Checks the rules of standard input and output against the types of items.
#pragma once

#include "pipeline/declaration.hpp"
#include "pipeline/diagnostics.hpp"
#include "pipeline/plan.hpp"
#include "pipeline/task_directory.hpp"

namespace tenon::internal {

/// Returns the type of the items that standard input gives.
[[nodiscard]] EdgeType input_item_type(const InputRule& rule, const TaskDirectory& directory);

/// Fills in the OutputRule of a sink whose input type is known; it may be a mixture of types.
/// `output_type` becomes that of its lines, which a test expects.
void resolve_output(const NodeDeclaration& node, const TaskDirectory& directory, Reporter& reporter, PlanNode& plan);

}  // namespace tenon::internal
