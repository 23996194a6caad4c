/// Reads the keys of sources that read standard input, and of sinks that write standard output.
#pragma once

#include <string>

#include "pipeline/declaration.hpp"

namespace tenon::internal {

/// Fills in the rule of a node for which uses_stream holds.
void read_stream(NodeDeclaration& node, TableReader& table, const Environment& environment, Reporter& reporter);

/// Returns what to do about a key that such a node does not have; empty if nothing is known.
[[nodiscard]] std::string stream_hint(const std::string& key);

/// Reports all but the first source that reads standard input, and all but the first sink that writes
/// standard output. If `available` is false, reports every one of them.
void check_streams(const PipelineDeclaration& declaration, bool available, Reporter& reporter);

}  // namespace tenon::internal
