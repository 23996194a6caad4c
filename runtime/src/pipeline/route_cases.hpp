/// pipeline/route_cases.hpp: checks whether the cases of a route can ever match.
#pragma once

#include "pipeline/declaration.hpp"
#include "pipeline/diagnostics.hpp"
#include "pipeline/plan.hpp"
#include "pipeline/task_directory.hpp"

namespace tenon::internal {

/// Reports each case value that the route's field can never have: a value of another type, out of
/// range, not a name of its enum, or in another notation than the field's values. `type` is the
/// type of the route's items.
void check_route_cases(const NodeDeclaration& route, const EdgeType& type, const TaskDirectory& directory,
                       Reporter& reporter);

}  // namespace tenon::internal
