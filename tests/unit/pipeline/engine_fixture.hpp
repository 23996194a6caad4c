/// Runs pipeline texts with simulated workers, and checks the results.
#pragma once

#include <string>
#include <vector>

#include "fake_executor.hpp"
#include "pipeline/engine.hpp"
#include "pipeline/plan.hpp"

namespace tenon::test {

/// Returns the checked graph of a text; fails the test if there is none.
[[nodiscard]] Graph::Impl graph_of(const std::string& text);
/// Returns a source `numbers` with `count` items.
[[nodiscard]] std::string numbers(int count);
/// Returns a map `double` of `numbers` with these keys, and a sink `sum` that collects its results.
[[nodiscard]] std::string chain(const std::string& options);
/// Returns the items 0 to count - 1 as the source writes them.
[[nodiscard]] std::vector<std::string> values(int count);
/// Returns the items that the task tenon.sum has joined.
[[nodiscard]] std::vector<std::string> split(const std::string& joined);
[[nodiscard]] std::vector<std::string> sorted(std::vector<std::string> texts);

[[nodiscard]] RunReport run(const Graph::Impl& graph, FakeExecutor& executor, const RunOptions& options = {});
[[nodiscard]] const StageReport& stage(const RunReport& report, const std::string& name);
/// Checks that every item is accounted for, and that the outputs of a node are the inputs of the
/// next.
void check_accounts(const Graph::Impl& graph, const RunReport& report, bool ended);

}  // namespace tenon::test
