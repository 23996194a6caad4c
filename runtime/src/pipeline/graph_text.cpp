#include "pipeline/graph_text.hpp"

#include <string>
#include <string_view>
#include <variant>

#include <nlohmann/json.hpp>

#include "base/json.hpp"

namespace tenon {
namespace internal {

std::string_view node_kind_name(NodeKind kind) noexcept {
  switch (kind) {
    case NodeKind::kSource:
      return "source";
    case NodeKind::kMap:
      return "map";
    case NodeKind::kExpand:
      return "expand";
    case NodeKind::kRoute:
      return "route";
    case NodeKind::kBatch:
      return "batch";
    case NodeKind::kReduce:
      return "reduce";
    case NodeKind::kSink:
      return "sink";
    case NodeKind::kFilter:
      return "filter";
    case NodeKind::kProject:
      return "project";
    case NodeKind::kSample:
      return "sample";
    case NodeKind::kLimit:
      return "limit";
    case NodeKind::kThrottle:
      return "throttle";
    case NodeKind::kDelay:
      return "delay";
    case NodeKind::kGiven:
      return "given";
    case NodeKind::kCollect:
      return "collect";
  }
  return "map";
}

namespace {

std::string_view type_label(const PlanNode& node) {
  return node.output_type.name.empty() ? std::string_view("any") : std::string_view(node.output_type.name);
}

/// Returns a quoted string of the DOT language, in which only the quote and the backslash are
/// special.
std::string dot_quote(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
    }
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out + '"';
}

/// Returns a quoted Mermaid label. Every character that could end it or be read as markup becomes
/// an entity.
std::string mermaid_quote(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (std::string_view("\"#<>&;`\\\n\r").find(c) != std::string_view::npos) {
      out += "#" + std::to_string(static_cast<int>(c)) + ";";
    } else {
      out += c;
    }
  }
  return out + '"';
}

/// Returns what a node does, in a few words.
std::string role(const PlanNode& node) {
  if (node.kind == NodeKind::kRoute) {
    return node.route_field.empty() ? "by conditions" : "by " + node.route_field;
  }
  if (std::holds_alternative<InputRule>(node.rule)) {
    return "standard input";
  }
  if (std::holds_alternative<OutputRule>(node.rule)) {
    return "standard output";
  }
  std::string text = node.task.empty() ? std::string(node_kind_name(node.kind)) : node.task;
  if (node.groups) {
    std::string by;
    for (const GroupShape::Key& key : node.groups->shape->keys) {
      by += (by.empty() ? "" : ", ") + key.name;
    }
    text += " by " + by + (node.groups->window ? std::string(by.empty() ? "" : " and ") + "window" : std::string());
  }
  return text;
}

std::string edge_label(const PlanNode& from, const PlanEdge& edge) {
  const std::string& output = from.outputs[edge.output].name;
  return output.empty() ? std::string(type_label(from)) : output + ": " + std::string(type_label(from));
}

std::string dot(const Graph::Impl& graph) {
  std::string out = "digraph " + dot_quote(graph.name) + " {\n  rankdir = LR;\n  node [shape = box];\n";
  if (!graph.description.empty()) {
    out += "  label = " + dot_quote(graph.description) + ";\n";
  }
  for (const PlanNode& node : graph.nodes) {
    std::string_view shape = "box";
    switch (node.kind) {
      case NodeKind::kSource:
        shape = "invhouse";
        break;
      case NodeKind::kRoute:
      case NodeKind::kFilter:
        shape = "diamond";
        break;
      case NodeKind::kBatch:
      case NodeKind::kReduce:
        shape = "trapezium";
        break;
      case NodeKind::kSink:
        shape = "house";
        break;
      case NodeKind::kExpand:
        shape = "cds";
        break;
      case NodeKind::kProject:
      case NodeKind::kSample:
      case NodeKind::kLimit:
      case NodeKind::kThrottle:
      case NodeKind::kDelay:
      case NodeKind::kGiven:
      case NodeKind::kCollect:
      case NodeKind::kMap:
        break;
    }
    const std::string label = node.name + "\n" + role(node);
    out += "  " + dot_quote(node.name) + " [label = " + dot_quote(label) + ", shape = " + std::string(shape) + "];\n";
  }
  for (const PlanEdge& edge : graph.edges) {
    const PlanNode& from = graph.nodes[edge.from];
    out += "  " + dot_quote(from.name) + " -> " + dot_quote(graph.nodes[edge.to].name) +
           " [label = " + dot_quote(edge_label(from, edge)) + "];\n";
  }
  return out + "}\n";
}

std::string mermaid(const Graph::Impl& graph) {
  std::string out = "flowchart LR\n";
  // Ids are numbers, because a name could be a Mermaid keyword ("end").
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const PlanNode& node = graph.nodes[i];
    const std::string label = mermaid_quote(node.name + " (" + role(node) + ")");
    std::string open = "[";
    std::string close = "]";
    switch (node.kind) {
      case NodeKind::kSource:
        open = "([";
        close = "])";
        break;
      case NodeKind::kRoute:
      case NodeKind::kFilter:
        open = "{";
        close = "}";
        break;
      case NodeKind::kBatch:
      case NodeKind::kReduce:
        open = "[/";
        close = "\\]";
        break;
      case NodeKind::kSink:
        open = "[(";
        close = ")]";
        break;
      case NodeKind::kExpand:
        open = ">";
        close = "]";
        break;
      case NodeKind::kProject:
      case NodeKind::kSample:
      case NodeKind::kLimit:
      case NodeKind::kThrottle:
      case NodeKind::kDelay:
      case NodeKind::kGiven:
      case NodeKind::kCollect:
      case NodeKind::kMap:
        break;
    }
    out += "  n" + std::to_string(i) + open + label + close + "\n";
  }
  for (const PlanEdge& edge : graph.edges) {
    out += "  n" + std::to_string(edge.from) + " -->|" + mermaid_quote(edge_label(graph.nodes[edge.from], edge)) +
           "| n" + std::to_string(edge.to) + "\n";
  }
  return out;
}

Json node_json(const PlanNode& node) {
  Json json;
  json["name"] = node.name;
  json["kind"] = node_kind_name(node.kind);
  if (!node.task.empty()) {
    json["task"] = node.task;
  }
  if (!node.route_field.empty()) {
    json["field"] = node.route_field;
  }
  if (node.kind != NodeKind::kSource) {
    json["takes"] = node.input_type.name;
    json["queue"] = {{"items", node.queue.items}, {"bytes", node.queue.bytes}};
  }
  if (node.kind != NodeKind::kSink) {
    json["gives"] = node.output_type.name;
  }
  return json;
}

std::string json(const Graph::Impl& graph) {
  Json document;
  document["name"] = graph.name;
  document["description"] = graph.description;
  document["nodes"] = Json::array();
  for (const PlanNode& node : graph.nodes) {
    document["nodes"].push_back(node_json(node));
  }
  document["edges"] = Json::array();
  for (const PlanEdge& edge : graph.edges) {
    const PlanNode& from = graph.nodes[edge.from];
    document["edges"].push_back({{"from", from.name},
                                 {"output", from.outputs[edge.output].name},
                                 {"to", graph.nodes[edge.to].name},
                                 {"type", from.output_type.name}});
  }
  return json_text(document) + '\n';
}

}  // namespace

std::string graph_text(const Graph::Impl& graph, GraphFormat format) {
  switch (format) {
    case GraphFormat::kDot:
      return dot(graph);
    case GraphFormat::kMermaid:
      return mermaid(graph);
    case GraphFormat::kJson:
      return json(graph);
  }
  return json(graph);
}

}  // namespace internal

std::string Graph::to_text(GraphFormat format) const {
  return internal::graph_text(*impl_, format);
}

}  // namespace tenon
