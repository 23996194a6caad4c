#include "engine_fixture.hpp"

#include <algorithm>
#include <utility>

#include "load.hpp"
#include "tenon_test/catch.hpp"

namespace tenon::test {
namespace {

const std::string kChain = R"(
[stages.double]
task = "tenon.double"
inputs = ["numbers"]
ORDER
[sinks.sum]
task = "tenon.sum"
inputs = ["double"]
)";

}  // namespace

Graph::Impl graph_of(const std::string& text) {
  Loaded loaded = load(text);
  INFO(loaded.messages);
  REQUIRE(loaded.graph.has_value());
  return std::move(*loaded.graph);
}

std::string numbers(int count) {
  return "[sources.numbers]\ntask = \"tenon.numbers\"\nargs = { count = " + std::to_string(count) + " }\n";
}

RunReport run(const Graph::Impl& graph, FakeExecutor& executor, const RunOptions& options) {
  return internal::Engine(graph, executor, options).run();
}

const StageReport& stage(const RunReport& report, const std::string& name) {
  const auto found = std::find_if(report.stages.begin(), report.stages.end(),
                                  [&](const StageReport& one) { return one.name == name; });
  REQUIRE(found != report.stages.end());
  return *found;
}

void check_accounts(const Graph::Impl& graph, const RunReport& report, bool ended) {
  for (std::size_t i = 0; i < report.stages.size(); ++i) {
    const StageReport& one = report.stages[i];
    INFO(one.name);
    if (one.kind != "source") {
      const bool groups = graph.nodes[i].collects || graph.nodes[i].kind == internal::NodeKind::kExpand;
      CHECK(one.items_in ==
            (groups ? one.grouped : one.items_out) + one.failed + one.dropped + one.in_flight + one.queued);
    }
    if (ended) {
      CHECK(one.in_flight == 0);
      CHECK(one.queued == 0);
      CHECK(one.ended);
    }
    if (graph.nodes[i].kind != internal::NodeKind::kRoute && graph.nodes[i].kind != internal::NodeKind::kSource) {
      std::uint64_t given = 0;
      bool exact = true;
      for (const std::uint32_t edge : graph.nodes[i].inputs) {
        const std::uint32_t from = graph.edges[edge].from;
        exact = exact && graph.nodes[from].outputs.size() == 1;
        given += report.stages[from].items_out;
      }
      if (exact) {
        CHECK(one.items_in == given);
      }
    }
  }
}

std::vector<std::string> values(int count) {
  std::vector<std::string> out;
  for (int i = 0; i < count; ++i) {
    out.push_back("value=" + std::to_string(i) + ";group=g" + std::to_string(i % 3));
  }
  return out;
}

std::vector<std::string> split(const std::string& joined) {
  std::vector<std::string> out;
  for (std::size_t at = 0; at < joined.size();) {
    const std::size_t end = joined.find('|', at);
    out.push_back(joined.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

std::vector<std::string> sorted(std::vector<std::string> texts) {
  std::sort(texts.begin(), texts.end());
  return texts;
}

std::string chain(const std::string& options) {
  std::string text = kChain;
  return text.replace(text.find("ORDER"), 5, options);
}

}  // namespace tenon::test
