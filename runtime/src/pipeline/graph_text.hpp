/// Renders a graph as text for other tools.
#pragma once

#include <string>

#include <tenon/pipeline.hpp>

#include "pipeline/plan.hpp"

namespace tenon::internal {

/// Returns Graphviz, Mermaid or JSON text; names and labels are escaped for each format.
[[nodiscard]] std::string graph_text(const Graph::Impl& graph, GraphFormat format);

}  // namespace tenon::internal
