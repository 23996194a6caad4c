#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <tenon/catalog.hpp>
#include <tenon/pipeline.hpp>

#include "compile_schema.hpp"
#include "pipeline/plan.hpp"
#include "tenon_test/catch.hpp"

namespace tenon::test {
namespace {

const std::string kTypes = R"(
namespace p;
enum Kind: byte { Small, Large }
table Inner { name: string; }
table Item { kind: Kind; size: uint32; inner: Inner; }
table Args { root: string; }
table MapParams { edge: uint16 = 5; }
table Settings { limit: uint32; }
)";
const std::string kService = R"(
attribute "params"; attribute "settings"; attribute "idempotent";
rpc_service Service {
  walk(Args): Item (streaming: "server", settings: "Settings");
  map(Item): Item (params: "MapParams");
  sum(Item): Item (streaming: "client");
}
)";

std::shared_ptr<const PluginInfo> plugin(const std::string& name, const std::string& version,
                                         const std::string& schema) {
  auto info = std::make_shared<PluginInfo>();
  info->name = name;
  info->version = version;
  info->schema = *Schema::from_binary(compile_schema(schema), name);
  return info;
}

std::string replace(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

const std::string kSchema = kTypes + kService;
/// Another plugin that takes p.Item as it was before.
const std::string kOther =
    kTypes + R"(rpc_service Other { show(Item): Item; keep(Item): Item (streaming: "client"); })";

const std::string kFile = R"([pipeline]
name = "inventory"
[plugins.p]
version = "1.*"
settings = { limit = 5 }
[sources.tree]
task = "p.walk"
args = { root = "/usr" }
[stages.map]
task = "p.map"
inputs = ["tree"]
params = { edge = 7 }
order = "key:size"
[stages.show]
task = "other.show"
inputs = ["map"]
[stages.kinds]
kind = "route"
field = "kind"
inputs = ["map"]
cases = { small = ["Small"] }
else = "drop"
[sinks.sum]
task = "p.sum"
inputs = ["show", "kinds.small"]
)";

Graph graph() {
  const LoadOptions options;
  const Catalog catalog = Catalog().with(plugin("p", "1.0.0", kSchema)).with(plugin("other", "3.0.0", kOther));
  Diagnostics diagnostics;
  std::optional<Graph> graph = Graph::parse(kFile, "inventory.toml", catalog, options, diagnostics);
  INFO(diagnostics.to_text(false));
  REQUIRE(graph.has_value());
  return std::move(*graph);
}

std::string refusal(const std::string& schema, const std::string& version = "1.1.0") {
  const Result<void> admitted = graph().admits(*plugin("p", version, schema));
  if (!admitted) {
    CHECK(admitted.error().code == ErrorCode::kIncompatible);
  }
  return admitted ? std::string() : admitted.error().message;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("Graph::admits: the same schema and a conforming one") {
  CHECK(refusal(kSchema).empty());
  CHECK(refusal(replace(kSchema, "inner: Inner; }", "inner: Inner; more: string; }")).empty());
  CHECK(refusal(replace(kSchema, "Small, Large", "Small, Large, Huge")).empty());
  CHECK(refusal(replace(kSchema, "sum(Item)", "more(Item): Item; sum(Item)")).empty());
  CHECK(refusal(replace(kSchema, "edge: uint16 = 5;", "edge: uint16 = 5; quality: uint8;")).empty());
}

TEST_CASE("Graph::admits: a version outside the pin is refused with the place of the pin") {
  const std::string message = refusal(kSchema, "2.0.0");
  CHECK(message ==
        "plugin 'p' 2.0.0 is outside the version pin \"1.*\" of pipeline 'inventory' (inventory.toml:4:11); change the "
        "pin to admit it");
  CHECK(refusal(kSchema, "1.99.0").empty());
}

TEST_CASE("Graph::admits: a plugin that the graph does not use, or does not pin") {
  CHECK(graph().admits(*plugin("third", "9.9.9", kSchema)).has_value());
  CHECK(graph().admits(*plugin("other", "17.0.0", kOther)).has_value());
}

TEST_CASE("Graph::admits: tasks that the graph uses are there, as they were") {
  CHECK(has(refusal(replace(kSchema, "map(Item): Item (params: \"MapParams\");", "")),
            "stage 'map' uses the task p.map, which this version does not have"));
  CHECK(has(refusal(replace(kSchema, "sum(Item): Item (streaming: \"client\")", "sum(Item): Item")),
            "sink 'sum': p.sum is a plain task in this version (was a reduce)"));
  CHECK(has(refusal(replace(kSchema, "map(Item): Item", "map(Inner): Item")), "p.map takes p.Inner in this version"));
  CHECK(has(refusal(replace(kSchema, "map(Item): Item", "map(Item): Inner")), "p.map gives p.Inner in this version"));
}

TEST_CASE("Graph::admits: what the file gives is still understood") {
  CHECK(has(refusal(replace(kSchema, "edge: uint16 = 5", "edge: uint32 = 5")), "stage 'map', params: "));
  CHECK(has(refusal(replace(kSchema, " (params: \"MapParams\")", "")), "p.map takes none in this version"));
  CHECK(has(refusal(replace(kSchema, "root: string", "root: [string]")), "source 'tree', args: "));
  CHECK(has(refusal(replace(kSchema, "limit: uint32", "limit: string")), "settings: "));
  CHECK(has(refusal(replace(kSchema, ", settings: \"Settings\"", "")), "settings, but it has no settings"));
}

TEST_CASE("Graph::admits: edges still fit, in both directions") {
  const std::string message = refusal(replace(kSchema, "size: uint32", "size: uint64"));
  CHECK(has(message, "plugin 'p' 1.1.0 does not fit pipeline 'inventory': "));
  CHECK(has(message, "from 'tree' to 'map': "));  // The previous version made the waiting items.
  CHECK(has(message, "from 'map' to 'show': "));
  CHECK(has(message, "from 'show' to 'sum': "));
  CHECK(has(message, "p.Item.size"));
  const std::string of_inner = refusal(replace(kSchema, "table Inner { name: string; }", "table Inner { name: int; }"));
  CHECK(has(of_inner, "p.Inner.name"));
}

TEST_CASE("Graph::admits: fields of routes and keys") {
  CHECK(has(refusal(replace(kSchema, "kind: Kind;", "sort: Kind;")), "stage 'kinds' reads p.Item.kind: "));
  CHECK(has(refusal(replace(kSchema, "size: uint32;", "weight: uint32;")), "stage 'map' reads p.Item.size: "));
}

TEST_CASE("Graph::admits: a plugin that cannot be used") {
  PluginInfo broken;
  broken.name = "p";
  broken.version = "1.1.0";
  broken.problem = Error{ErrorCode::kCorrupt, "the file is truncated", {}};
  const Result<void> admitted = graph().admits(broken);
  REQUIRE_FALSE(admitted);
  CHECK(has(admitted.error().message, "the file is truncated"));
}

TEST_CASE("Graph::admits: fields of conditions and projections") {
  const Catalog catalog = Catalog().with(plugin("p", "1.0.0", kSchema));
  Diagnostics diagnostics;
  const std::optional<Graph> graph = Graph::parse(R"([sources.tree]
task = "p.walk"
[stages.some]
kind = "filter"
inputs = ["tree"]
where = { "inner.name" = "glob:*.c", kind = "Small" }
[sinks.sum]
task = "p.sum"
inputs = ["some"]
)",
                                                  "inventory.toml", catalog, {}, diagnostics);
  INFO(diagnostics.to_text(false));
  REQUIRE(graph);
  CHECK(graph->admits(*plugin("p", "1.1.0", kSchema)));
  const Result<void> admitted = graph->admits(
      *plugin("p", "1.1.0", replace(kSchema, "table Inner { name: string; }", "table Inner { title: string; }")));
  REQUIRE_FALSE(admitted);
  CHECK(has(admitted.error().message, "stage 'some' reads p.Item.inner.name: p.Inner has no field 'name'"));
}

TEST_CASE("Graph: routes and keys read results of a newer conforming version") {
  const Graph checked = graph();
  const auto newer = plugin("p", "1.1.0",
                            replace(replace(kSchema, "Small, Large", "Small, Large, Huge"), "inner: Inner; }",
                                    "inner: Inner; more: string; }"));
  REQUIRE(checked.admits(*newer).has_value());
  const Result<Buffer> item =
      newer->schema->from_json("p.Item", R"({"kind": "Huge", "size": 7, "inner": {"name": "n"}, "more": "new"})");
  REQUIRE(item.has_value());
  for (const internal::PlanNode& node : checked.impl().nodes) {
    if (node.kind == internal::NodeKind::kRoute) {
      const Result<std::string> value = node.route_reader(*item);
      REQUIRE(value.has_value());
      // A value that the file cannot have named, so it goes to `else`.
      CHECK(*value == "2");
      CHECK(node.cases.count(*value) == 0);
    }
    if (node.order == internal::OrderKind::kKey) {
      CHECK(node.key_reader(*item).value_or("") == "7");
    }
  }
}

}  // namespace tenon::test
