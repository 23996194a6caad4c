/// Reads the keys of stages that need no task: filter, project, sample, limit, throttle, delay.
#pragma once

#include "pipeline/declaration.hpp"

namespace tenon::internal {

/// Reads the keys of the node's kind; does nothing for other kinds.
void read_item_rule(NodeDeclaration& node, TableReader& table, const Environment& environment, Reporter& reporter);

}  // namespace tenon::internal
