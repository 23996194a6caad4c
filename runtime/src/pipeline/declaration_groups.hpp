/// Reads the keys by which a reduce divides its items into groups.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/declaration.hpp"

namespace tenon::internal {

/// Returns the keys of `window`. The result is valid for the life of the process.
[[nodiscard]] const std::vector<std::string>& window_keys();

/// Returns the units of a number that is a time, with their nanoseconds. The result is valid for the
/// life of the process.
[[nodiscard]] const std::vector<std::pair<std::string, std::int64_t>>& time_units();

/// Reads `by`, `window`, `groups` and `memory` into `node.groups`, which stays empty without the first
/// two.
void read_groups(NodeDeclaration& node, TableReader& table, const Environment& environment, Reporter& reporter);

}  // namespace tenon::internal
