/// Declarations to a checked graph: tasks, types, edges.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include <tenon/pipeline.hpp>

#include "pipeline/declaration.hpp"
#include "pipeline/diagnostics.hpp"
#include "pipeline/document.hpp"
#include "pipeline/plan.hpp"
#include "pipeline/task_directory.hpp"

namespace tenon::internal {

/// Resolves everything and reports all that does not fit. What is returned may be run only when the reporter has no
/// errors.
[[nodiscard]] Graph::Impl resolve(const PipelineDeclaration& declaration, const TaskDirectory& directory,
                                  const Environment& environment, Reporter& reporter);

/// What resolve.cpp has found of a node and resolve_edges.cpp needs.
struct ResolvedNode {
  const NodeDeclaration* declaration = nullptr;
  std::optional<TaskInfo> task;  ///< Absent for routes and for what could not be resolved.
  std::string plugin;
  bool known_type = false;  ///< output_type of the plan's node is right; false after an error.
  bool on_cycle = false;
};

/// Connects inputs, finds cycles, carries types along the edges and checks them; makes routes and keys ready.
void resolve_edges(Graph::Impl& graph, std::vector<ResolvedNode>& nodes, const TaskDirectory& directory,
                   Reporter& reporter);

/// A whole text to a graph; nullopt when `reporter` has errors.
struct LoadRequest {
  std::string_view text;
  std::string_view default_name;  ///< When the file gives no name.
};
[[nodiscard]] std::optional<Graph::Impl> load_graph(const LoadRequest& request, const TaskDirectory& directory,
                                                    const LoadOptions& options, Reporter& reporter);

}  // namespace tenon::internal
