/// Turns declarations into a checked graph: tasks, types, edges.
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

/// Resolves everything and reports every error. The result may be run only if the reporter has no
/// errors.
[[nodiscard]] Graph::Impl resolve(const PipelineDeclaration& declaration, const TaskDirectory& directory,
                                  const Environment& environment, Reporter& reporter);

/// The results of resolve.cpp for one node, which resolve_edges.cpp needs.
struct ResolvedNode {
  const NodeDeclaration* declaration = nullptr;
  std::optional<TaskInfo> task;  ///< Absent for routes and for tasks that could not be resolved.
  std::string plugin;
  bool known_type = false;  ///< output_type of the plan's node is valid; false after an error.
  bool on_cycle = false;
};

/// Connects inputs, finds cycles, carries types along the edges and checks them; prepares routes
/// and keys.
void resolve_edges(Graph::Impl& graph, std::vector<ResolvedNode>& nodes, const TaskDirectory& directory,
                   Reporter& reporter);

/// Describes a text to be loaded as a graph.
struct LoadRequest {
  std::string_view text;
  std::string_view default_name;  ///< Used if the file gives no name.
  std::string file = {};          ///< Its name, for tests.
  /// Another text with tests of this pipeline, the name of its file, and where to report its errors;
  /// null if there is none.
  std::string_view test_text = {};
  std::string test_file = {};
  Reporter* test_reporter = nullptr;
};
[[nodiscard]] std::optional<Graph::Impl> load_graph(const LoadRequest& request, const TaskDirectory& directory,
                                                    const LoadOptions& options, Reporter& reporter);

}  // namespace tenon::internal
