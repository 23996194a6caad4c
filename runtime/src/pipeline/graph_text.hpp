/// A graph as text for tools.
#pragma once

#include <string>

#include <tenon/pipeline.hpp>

#include "pipeline/plan.hpp"

namespace tenon::internal {

/// Graphviz, Mermaid or JSON; names and labels are escaped for each.
[[nodiscard]] std::string graph_text(const Graph::Impl& graph, GraphFormat format);

}  // namespace tenon::internal
