/// Checks the tests of a pipeline against its graph.
#pragma once

#include <map>
#include <string>

#include "pipeline/diagnostics.hpp"
#include "pipeline/document.hpp"
#include "pipeline/plan.hpp"
#include "pipeline/task_directory.hpp"

namespace tenon::internal {

/// Reads the `[[tests]]` of a document and adds them to the graph. Reports every error in them.
/// `file` is the name of the document. `names` is that of read_tests. If the graph is not `sound`,
/// because its own errors have been reported, errors of tests that may follow from those are not
/// reported, and nothing is added.
void resolve_tests(const Value& document, const std::string& file, const TaskDirectory& directory,
                   const Environment& environment, bool sound, std::map<std::string, std::string>& names,
                   Graph::Impl& graph, Reporter& reporter);

}  // namespace tenon::internal
