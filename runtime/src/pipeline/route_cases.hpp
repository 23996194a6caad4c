/// pipeline/route_cases.hpp: whether the cases of a route can ever match.
#pragma once

#include "pipeline/declaration.hpp"
#include "pipeline/diagnostics.hpp"
#include "pipeline/plan.hpp"
#include "pipeline/task_directory.hpp"

namespace tenon::internal {

/// Reports each case value that the route's field never has: of another type, out of its range, not a name of its enum,
/// or written in another way than the field's values are. `type` is that of the route's items.
void check_route_cases(const NodeDeclaration& route, const EdgeType& type, const TaskDirectory& directory,
                       Reporter& reporter);

}  // namespace tenon::internal
