#include "pipeline/graph_text.hpp"

#include <string>

#include <nlohmann/json.hpp>

#include "load.hpp"
#include "tenon_test/catch.hpp"

namespace tenon::test {
namespace {

Graph::Impl graph() {
  Loaded loaded = load(R"toml(
[pipeline]
name = "a \"b\" \\ <c>"
description = "two\nlines"
[sources.end]
task = "files.walk"
args = { root = "/" }
[stages.by]
kind = "route"
inputs = ["end"]
field = "path"
cases = { a = "x" }
[stages.each]
task = "files.digest"
inputs = ["by.a"]
[sinks.out]
task = "files.report"
inputs = ["each"]
[sinks.rest]
task = "tenon.discard"
inputs = ["by.else"]
)toml");
  INFO(loaded.messages);
  REQUIRE(loaded.graph);
  return std::move(*loaded.graph);
}

}  // namespace

TEST_CASE("graph_text: dot") {
  CHECK(internal::graph_text(graph(), GraphFormat::kDot) == R"(digraph "a \"b\" \\ <c>" {
  rankdir = LR;
  node [shape = box];
  label = "two\nlines";
  "end" [label = "end\nfiles.walk", shape = invhouse];
  "by" [label = "by\nby path", shape = diamond];
  "each" [label = "each\nfiles.digest", shape = box];
  "out" [label = "out\nfiles.report", shape = house];
  "rest" [label = "rest\ntenon.discard", shape = house];
  "end" -> "by" [label = "tenon.File"];
  "by" -> "each" [label = "a: tenon.File"];
  "each" -> "out" [label = "tenon.Digest"];
  "by" -> "rest" [label = "else: tenon.File"];
}
)");
}

TEST_CASE("graph_text: mermaid numbers its ids, so that no name is a keyword") {
  CHECK(internal::graph_text(graph(), GraphFormat::kMermaid) == R"text(flowchart LR
  n0(["end (files.walk)"])
  n1{"by (by path)"}
  n2["each (files.digest)"]
  n3[("out (files.report)")]
  n4[("rest (tenon.discard)")]
  n0 -->|"tenon.File"| n1
  n1 -->|"a: tenon.File"| n2
  n2 -->|"tenon.Digest"| n3
  n1 -->|"else: tenon.File"| n4
)text");
}

TEST_CASE("graph_text: an expand has a shape and a kind of its own") {
  Loaded loaded = load(R"toml(
[sources.numbers]
task = "tenon.numbers"
[stages.parts]
task = "other.split"
inputs = ["numbers"]
[sinks.out]
task = "tenon.discard"
inputs = ["parts"]
)toml");
  REQUIRE(loaded.graph);
  CHECK(internal::graph_text(*loaded.graph, GraphFormat::kDot)
            .find("\"parts\" [label = \"parts\\nother.split\", shape = cds]") != std::string::npos);
  CHECK(internal::graph_text(*loaded.graph, GraphFormat::kMermaid).find("n1>\"parts (other.split)\"]") !=
        std::string::npos);
  CHECK(nlohmann::ordered_json::parse(internal::graph_text(*loaded.graph, GraphFormat::kJson))["nodes"][1]["kind"] ==
        "expand");
}

TEST_CASE("graph_text: stages without a task show their kind") {
  const Loaded loaded = load(R"toml(
[sources.n]
task = "tenon.numbers"
[stages.f]
kind = "filter"
inputs = ["n"]
where = { value = 1 }
[stages.r]
kind = "route"
inputs = ["f.else"]
cases = { a = { value = "> 5" } }
else = "drop"
[stages.l]
kind = "limit"
items = 3
inputs = ["f", "r.a"]
[stages.p]
kind = "project"
inputs = ["l"]
fields = ["value"]
[sinks.s]
task = "tenon.discard"
inputs = ["p"]
)toml");
  INFO(loaded.messages);
  REQUIRE(loaded.graph);
  CHECK(internal::graph_text(*loaded.graph, GraphFormat::kMermaid) == R"text(flowchart LR
  n0(["n (tenon.numbers)"])
  n1{"f (filter)"}
  n2{"r (by conditions)"}
  n3["l (limit)"]
  n4["p (project)"]
  n5[("s (tenon.discard)")]
  n0 -->|"tenon.Number"| n1
  n1 -->|"else: tenon.Number"| n2
  n1 -->|"tenon.Number"| n3
  n2 -->|"a: tenon.Number"| n3
  n3 -->|"tenon.Number"| n4
  n4 -->|"tenon.Record"| n5
)text");
  const std::string dot = internal::graph_text(*loaded.graph, GraphFormat::kDot);
  CHECK(dot.find("\"f\" [label = \"f\\nfilter\", shape = diamond]") != std::string::npos);
  CHECK(dot.find("\"p\" [label = \"p\\nproject\", shape = box]") != std::string::npos);
  const auto json = nlohmann::ordered_json::parse(internal::graph_text(*loaded.graph, GraphFormat::kJson));
  CHECK(json["nodes"][1]["kind"] == "filter");
  CHECK_FALSE(json["nodes"][2].contains("field"));
  CHECK(json["nodes"][4]["gives"] == "tenon.Record");
}

TEST_CASE("graph_text: json") {
  const std::string text = internal::graph_text(graph(), GraphFormat::kJson);
  CHECK(text.starts_with("{\n  \"name\": "));
  CHECK(text.ends_with("}\n"));
  CHECK(nlohmann::ordered_json::parse(text) == nlohmann::ordered_json::parse(R"({
  "name": "a \"b\" \\ <c>",
  "description": "two\nlines",
  "nodes": [
    {"name": "end", "kind": "source", "task": "files.walk", "gives": "tenon.File"},
    {"name": "by", "kind": "route", "field": "path", "takes": "tenon.File", "queue": {"items": 1024, "bytes": 67108864}, "gives": "tenon.File"},
    {"name": "each", "kind": "map", "task": "files.digest", "takes": "tenon.File", "queue": {"items": 1024, "bytes": 67108864}, "gives": "tenon.Digest"},
    {"name": "out", "kind": "sink", "task": "files.report", "takes": "tenon.Digest", "queue": {"items": 1024, "bytes": 67108864}},
    {"name": "rest", "kind": "sink", "task": "tenon.discard", "takes": "tenon.File", "queue": {"items": 1024, "bytes": 67108864}}
  ],
  "edges": [
    {"from": "end", "output": "", "to": "by", "type": "tenon.File"},
    {"from": "by", "output": "a", "to": "each", "type": "tenon.File"},
    {"from": "each", "output": "", "to": "out", "type": "tenon.Digest"},
    {"from": "by", "output": "else", "to": "rest", "type": "tenon.File"}
  ]
}
)"));
}

}  // namespace tenon::test
