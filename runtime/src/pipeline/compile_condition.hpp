/// Checks conditions against the type of the items and compiles them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "pipeline/condition.hpp"
#include "pipeline/decision.hpp"
#include "pipeline/diagnostics.hpp"
#include "pipeline/plan.hpp"
#include "pipeline/task_directory.hpp"

namespace tenon::internal {

/// Compiles conditions that are tried in order. The outcome of the decision is the number of the
/// first condition that an item meets, or the number of conditions if it meets none. `what` names
/// the stage in messages, as in "filter 'errors'". Reports fields that do not exist, values that
/// their field never has, and conditions that hold for every item; the result is then nullopt.
[[nodiscard]] std::optional<Decision> compile_conditions(const std::vector<const Condition*>& conditions,
                                                         const EdgeType& type, const std::string& what,
                                                         const TaskDirectory& directory, Reporter& reporter);

}  // namespace tenon::internal
