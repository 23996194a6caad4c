/// Runs pipeline texts over simulated workers, and looks at what comes of them.
#pragma once

#include <string>
#include <vector>

#include "fake_executor.hpp"
#include "pipeline/engine.hpp"
#include "pipeline/plan.hpp"

namespace tenon::test {

/// The checked graph of a text; the test ends when there is none.
[[nodiscard]] Graph::Impl graph_of(const std::string& text);
/// A source `numbers` of so many items.
[[nodiscard]] std::string numbers(int count);
/// A map `double` of `numbers` with these keys, and a collecting sink `sum` of it.
[[nodiscard]] std::string chain(const std::string& options);
/// The items 0 to count - 1 as the source writes them.
[[nodiscard]] std::vector<std::string> values(int count);
/// The items that the task tenon.sum has joined.
[[nodiscard]] std::vector<std::string> split(const std::string& joined);
[[nodiscard]] std::vector<std::string> sorted(std::vector<std::string> texts);

[[nodiscard]] RunReport run(const Graph::Impl& graph, FakeExecutor& executor, const RunOptions& options = {});
[[nodiscard]] const StageReport& stage(const RunReport& report, const std::string& name);
/// Every item is somewhere, and what one gives is what the others get.
void check_accounts(const Graph::Impl& graph, const RunReport& report, bool ended);

}  // namespace tenon::test
