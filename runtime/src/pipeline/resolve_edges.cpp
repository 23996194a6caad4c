#include <algorithm>
#include <array>
#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <variant>

#include "pipeline/resolve.hpp"
#include "pipeline/resolve_groups.hpp"
#include "pipeline/resolve_rules.hpp"
#include "pipeline/resolve_streams.hpp"
#include "pipeline/route_cases.hpp"

namespace tenon::internal {
namespace {

class EdgeResolver {
 public:
  EdgeResolver(Graph::Impl& graph, std::vector<ResolvedNode>& nodes, const TaskDirectory& directory, Reporter& reporter)
      : graph_(graph), nodes_(nodes), directory_(directory), reporter_(reporter) {}

  void run() {
    for (std::uint32_t i = 0; i < nodes_.size(); ++i) {
      if (!index_.emplace(declared(i).name, i).second) {
        ambiguous_.insert(declared(i).name);
      }
      make_outputs(i);
    }
    for (std::uint32_t i = 0; i < nodes_.size(); ++i) {
      connect(i);
    }
    find_cycles();
    for (const std::uint32_t node : order_) {
      carry_types(node);
    }
    for (PlanNode& plan : graph_.nodes) {
      if (plan.kind == NodeKind::kFilter) {
        plan.else_dropped = plan.outputs[plan.else_output].edges.empty();
      }
    }
    report_unconnected();
  }

 private:
  const NodeDeclaration& declared(std::uint32_t node) const { return *nodes_[node].declaration; }

  void make_outputs(std::uint32_t index) {
    const NodeDeclaration& node = declared(index);
    PlanNode& plan = graph_.nodes[index];
    if (node.kind == NodeKind::kSink) {
      return;
    }
    if (node.kind != NodeKind::kRoute) {
      plan.outputs.emplace_back();
      if (node.kind == NodeKind::kFilter) {
        plan.else_output = 1;
        plan.outputs.push_back({"else", {}});
      }
      return;
    }
    for (const CaseDeclaration& one : node.cases) {
      const auto output = static_cast<std::uint32_t>(plan.outputs.size());
      plan.outputs.push_back({one.name, {}});
      for (const CaseValue& value : one.values) {
        plan.cases.emplace(value.value, output);
      }
    }
    plan.else_output = static_cast<std::uint32_t>(plan.outputs.size());
    plan.outputs.push_back({"else", {}});
  }

  std::vector<std::string> output_names() const {
    std::vector<std::string> names;
    for (const PlanNode& node : graph_.nodes) {
      for (const PlanOutput& output : node.outputs) {
        names.push_back(output.name.empty() ? node.name : node.name + "." + output.name);
      }
    }
    return names;
  }

  void connect(std::uint32_t to) {
    for (const InputDeclaration& input : declared(to).inputs) {
      const auto found = index_.find(input.node);
      if (found == index_.end()) {
        report_unknown(input);
        broken_inputs_.insert(to);
        continue;
      }
      if (ambiguous_.count(input.node) > 0) {
        // The duplicate has been reported; it is unknown which of the two is meant.
        broken_inputs_.insert(to);
        continue;
      }
      const std::optional<std::uint32_t> output = find_output(found->second, to, input);
      if (!output) {
        broken_inputs_.insert(to);
        continue;
      }
      const auto edge = static_cast<std::uint32_t>(graph_.edges.size());
      graph_.edges.push_back({found->second, *output, to});
      places_.push_back(input.place);
      graph_.nodes[found->second].outputs[*output].edges.push_back(edge);
      graph_.nodes[to].inputs.push_back(edge);
    }
  }

  void report_unknown(const InputDeclaration& input) {
    if (reporter_.saturated()) {
      reporter_.error(input.place, "there is no source or stage '" + input.node + "'");
      return;
    }
    const std::string written = input.output.empty() ? input.node : input.node + "." + input.output;
    const std::vector<std::string> names = output_names();
    const std::string hint = suggest(written, names, names.empty() ? "" : "outputs are " + list_names(names));
    reporter_.error(input.place, "there is no source or stage '" + input.node + "'", hint);
    // A node that may be meant here is not also reported as unconnected.
    for (const std::string& name : names) {
      if (hint.find("'" + name + "'") != std::string::npos) {
        excused_.insert(name);
      }
    }
  }

  std::optional<std::uint32_t> find_output(std::uint32_t from, std::uint32_t to, const InputDeclaration& input) {
    const PlanNode& producer = graph_.nodes[from];
    if (from == to) {
      reporter_.error(input.place, "'" + input.node + "' takes its own output");
      excused_.insert(input.node);
      return std::nullopt;
    }
    if (producer.kind == NodeKind::kSink) {
      const std::size_t group = reporter_.error(input.place, "'" + input.node + "' is a sink; it has no output",
                                                "a task whose results other nodes use belongs under [stages.<name>]");
      reporter_.note(group, declared(from).place, "'" + input.node + "' is declared here");
      return std::nullopt;
    }
    if (producer.kind != NodeKind::kRoute) {
      if (producer.kind == NodeKind::kFilter && input.output == "else") {
        return producer.else_output;
      }
      if (!input.output.empty() && declared(from).broken) {
        // The misspelt word may be its kind.
        excused_.insert(input.node);
        return std::nullopt;
      }
      if (!input.output.empty()) {
        const bool filter = producer.kind == NodeKind::kFilter;
        reporter_.error(input.place,
                        filter ? "filter '" + input.node + "' has no output '" + input.output + "'"
                               : "'" + input.node + "' has one output, without a name",
                        "write \"" + input.node + "\"" + (filter ? " or \"" + input.node + ".else\"" : ""));
        excused_.insert(input.node);
        return std::nullopt;
      }
      return 0;
    }
    for (std::uint32_t i = 0; i < producer.outputs.size(); ++i) {
      if (producer.outputs[i].name == input.output) {
        if (i == producer.else_output && producer.else_dropped) {
          const std::size_t group =
              reporter_.error(input.place, "the output 'else' of route '" + input.node + "' is dropped");
          reporter_.note(group, declared(from).else_place, "it is dropped here");
          return std::nullopt;
        }
        return i;
      }
    }
    std::vector<std::string> names;
    for (const PlanOutput& output : producer.outputs) {
      if (!reporter_.saturated()) {
        names.push_back(input.node + "." + output.name);
      }
    }
    if (input.output.empty()) {
      reporter_.error(input.place, "route '" + input.node + "' has several outputs", "name one: " + list_names(names));
    } else {
      const std::string hint = suggest(input.node + "." + input.output, names, "its outputs are " + list_names(names));
      reporter_.error(input.place, "route '" + input.node + "' has no output '" + input.output + "'", hint);
      for (const std::string& name : names) {
        if (hint.find("'" + name + "'") != std::string::npos) {
          excused_.insert(name);
        }
      }
    }
    return std::nullopt;
  }

  /// Searches depth first without recursion; leaves a topological order in order_.
  void find_cycles() {
    enum class Color : std::uint8_t { kNew, kOpen, kDone };
    struct Step {
      std::uint32_t node;
      std::vector<std::uint32_t> edges;
      std::size_t next = 0;
    };
    std::vector<Color> colors(nodes_.size(), Color::kNew);
    std::vector<Step> path;
    const auto enter = [&](std::uint32_t node) {
      colors[node] = Color::kOpen;
      Step step{node, {}, 0};
      for (const PlanOutput& output : graph_.nodes[node].outputs) {
        step.edges.insert(step.edges.end(), output.edges.begin(), output.edges.end());
      }
      path.push_back(std::move(step));
    };
    for (std::uint32_t root = 0; root < nodes_.size(); ++root) {
      if (colors[root] != Color::kNew) {
        continue;
      }
      enter(root);
      while (!path.empty()) {
        Step& top = path.back();
        if (top.next == top.edges.size()) {
          colors[top.node] = Color::kDone;
          order_.push_back(top.node);
          path.pop_back();
          continue;
        }
        const std::uint32_t edge = top.edges[top.next++];
        const std::uint32_t to = graph_.edges[edge].to;
        if (colors[to] == Color::kNew) {
          enter(to);
        } else if (colors[to] == Color::kOpen) {
          report_cycle(path, to, edge);
        }
      }
    }
    std::reverse(order_.begin(), order_.end());
  }

  template <typename Path>
  void report_cycle(const Path& path, std::uint32_t to, std::uint32_t edge) {
    auto begin = std::find_if(path.begin(), path.end(), [&](const auto& step) { return step.node == to; });
    std::string text;
    for (auto step = begin; step != path.end(); ++step) {
      text += "'" + graph_.nodes[step->node].name + "' -> ";
      nodes_[step->node].on_cycle = true;
    }
    reporter_.error(places_[edge], "the inputs form a cycle: " + text + "'" + graph_.nodes[to].name + "'",
                    "a pipeline has no cycles; remove one of these inputs");
  }

  /// Returns the type that a producer gives, or nullopt if an earlier error hides it.
  std::optional<EdgeType> type_of(std::uint32_t edge) const {
    const std::uint32_t from = graph_.edges[edge].from;
    if (!nodes_[from].known_type) {
      return std::nullopt;
    }
    return graph_.nodes[from].output_type;
  }

  /// Checks that two inputs of a stage without a task agree: the stage reads both with the schema of the first one and
  /// passes both on as its type.
  void check_agreement(std::uint32_t edge, const EdgeType& first, const EdgeType& other) {
    if (first.plugin == other.plugin || first.name.empty()) {
      return;
    }
    if (const auto readable = directory_.check_readable(other.plugin, other.name, first.plugin, first.name);
        !readable) {
      reporter_.error(places_[edge], "plugins '" + first.plugin + "' and '" + other.plugin + "' do not agree on " +
                                         first.name + ", of which '" + graph_.nodes[graph_.edges[edge].to].name +
                                         "' takes both: " + readable.error().message);
    }
  }

  void carry_types(std::uint32_t index) {
    ResolvedNode& resolved = nodes_[index];
    PlanNode& plan = graph_.nodes[index];
    bool known = broken_inputs_.count(index) == 0 && !resolved.on_cycle;
    const bool writes = std::holds_alternative<OutputRule>(plan.rule);
    std::optional<EdgeType> incoming;
    for (const std::uint32_t edge : plan.inputs) {
      const std::optional<EdgeType> type = type_of(edge);
      if (!type) {
        known = false;
        continue;
      }
      if (resolved.task) {
        check_edge(edge, *type, index);
      }
      if (!incoming) {
        incoming = type;
      } else if (incoming->name != type->name) {
        incoming = EdgeType{};
      } else {
        if (needs_no_task(plan.kind) || writes) {
          check_agreement(edge, *incoming, *type);
        }
        if (incoming->groups == nullptr || type->groups == nullptr || !incoming->groups->agrees(*type->groups)) {
          incoming->groups = nullptr;
        }
      }
    }
    const bool any = resolved.task && resolved.task->argument_type == kAnyType;
    const bool own = needs_no_task(plan.kind) || writes;
    if (own || any) {
      plan.input_type = incoming.value_or(EdgeType{});
    } else if (incoming) {
      plan.input_type.groups = incoming->groups;
    }
    if (plan.kind == NodeKind::kProject) {
      plan.output_type = record_type(directory_);
      plan.output_type.groups = plan.input_type.groups;
      resolved.known_type = true;
    } else if (const auto* const input = std::get_if<InputRule>(&plan.rule)) {
      plan.output_type = input_item_type(*input, directory_);
      resolved.known_type = true;
    } else if (own) {
      plan.output_type = plan.input_type;
      resolved.known_type = known && incoming.has_value();
    } else if (resolved.task && resolved.task->result_type == kAnyType) {
      // A task that takes and gives any type passes on the type of its argument.
      const bool passes = any && plan.kind == NodeKind::kMap;
      plan.output_type = passes ? plan.input_type : EdgeType{};
      resolved.known_type = !passes || (known && incoming.has_value());
    } else {
      resolved.known_type = resolved.task.has_value();
    }
    if (plan.kind == NodeKind::kMap) {
      plan.output_type.groups = plan.input_type.groups;
    }
    const bool input_known = own || any ? known && incoming.has_value() : resolved.task.has_value();
    if (input_known && plan.kind != NodeKind::kSource) {
      make_readers(index);
    }
  }

  void check_edge(std::uint32_t edge, const EdgeType& type, std::uint32_t to) {
    const TaskInfo& task = *nodes_[to].task;
    const std::uint32_t from = graph_.edges[edge].from;
    if (task.argument_type == kAnyType) {
      return;
    }
    std::string why;
    if (type.name.empty()) {
      why = "'" + graph_.nodes[from].name + "' gives items of several types";
    } else if (type.name != task.argument_type) {
      why = "'" + graph_.nodes[from].name + "' gives " + type.name;
    } else if (type.plugin != nodes_[to].plugin) {
      const Result<void> readable =
          directory_.check_readable(type.plugin, type.name, nodes_[to].plugin, task.argument_type);
      if (readable) {
        return;
      }
      why = "plugins '" + type.plugin + "' and '" + nodes_[to].plugin + "' do not agree on " + type.name + ": " +
            readable.error().message;
    } else {
      return;
    }
    const std::size_t group =
        reporter_.error(places_[edge], "'" + graph_.nodes[to].name + "' takes " + task.argument_type + ", but " + why);
    const NodeDeclaration& producer = declared(from);
    reporter_.note(group, producer.task ? producer.task->place : producer.place,
                   "'" + producer.name + "' gives " + (type.name.empty() ? "several types" : type.name) +
                       (producer.task ? " (task " + producer.task->value + ")" : ""));
    if (nodes_[to].declaration->task) {
      reporter_.note(group, nodes_[to].declaration->task->place,
                     "'" + graph_.nodes[to].name + "' takes " + task.argument_type + " (task " + task.full_name + ")");
    }
  }

  void make_readers(std::uint32_t index) {
    const NodeDeclaration& node = declared(index);
    PlanNode& plan = graph_.nodes[index];
    const EdgeType& type = plan.input_type;
    if (node.field) {
      plan.route_field = node.field->value;
      plan.route_reader = field_reader(type, *node.field, "route '" + node.name + "'");
      check_route_cases(node, type, directory_, reporter_);
    }
    if (node.order_field) {
      plan.key_field = node.order_field->value;
      plan.key_reader = field_reader(type, *node.order_field, "the key of '" + node.name + "'");
    }
    resolve_rule(node, directory_, reporter_, plan);
    if (std::holds_alternative<OutputRule>(plan.rule)) {
      resolve_output(node, directory_, reporter_, plan);
    }
    resolve_groups(node, directory_, reporter_, plan);
    if (type.name.empty() || type.name == kAnyType) {
      return;
    }
    for (const std::string_view field : {"path", "file.path", "origin", "name"}) {
      if (auto reader = directory_.field_reader(type.plugin, type.name, field)) {
        plan.identity_name = std::move(*reader);
        break;
      }
    }
    if (auto reader = directory_.field_reader(type.plugin, type.name, "number")) {
      plan.identity_number = std::move(*reader);
    }
  }

  ItemReader field_reader(const EdgeType& type, const Located<std::string>& field, const std::string& what) {
    if (type.name.empty()) {
      reporter_.error(field.place, what + " cannot read '" + field.value + "': its items have several types",
                      "give it inputs of one type");
      return {};
    }
    Result<ItemReader> reader = directory_.field_reader(type.plugin, type.name, field.value);
    if (!reader) {
      std::vector<std::string> names;
      if (const auto info = directory_.find_type(type.plugin, type.name)) {
        for (const FieldInfo& known : info->fields) {
          names.push_back(known.name);
        }
      }
      const bool exists = reader.error().code != ErrorCode::kNotFound;
      reporter_.error(field.place,
                      exists ? what + ": " + reader.error().message
                             : what + ": " + type.name + " has no field '" + field.value + "'",
                      exists ? "" : suggest(field.value, names, "it has " + list_names(names)));
      return {};
    }
    return std::move(*reader);
  }

  void report_unconnected() {
    for (std::uint32_t i = 0; i < nodes_.size(); ++i) {
      const NodeDeclaration& node = declared(i);
      const PlanNode& plan = graph_.nodes[i];
      if (ambiguous_.count(node.name) > 0) {
        continue;
      }
      for (std::uint32_t output = 0; output < plan.outputs.size(); ++output) {
        const PlanOutput& one = plan.outputs[output];
        const std::string full = one.name.empty() ? node.name : node.name + "." + one.name;
        if (!one.edges.empty() || excused_.count(full) > 0) {
          continue;
        }
        if (node.kind == NodeKind::kFilter && output == plan.else_output) {
          continue;
        }
        if (node.kind != NodeKind::kRoute) {
          reporter_.error(node.place, "nothing takes the output of '" + node.name + "'",
                          "name it in the inputs of a stage or sink; tenon.discard takes anything");
        } else if (output != plan.else_output) {
          reporter_.error(node.cases[output].place, "nothing takes the output '" + full + "'",
                          "name it in the inputs of a stage or sink");
        } else if (!plan.else_dropped) {
          reporter_.error(node.else_place, "nothing takes the output '" + full + "'",
                          "name it in the inputs of a stage or sink, or write else = \"drop\"");
        }
      }
    }
  }

  Graph::Impl& graph_;
  std::vector<ResolvedNode>& nodes_;
  const TaskDirectory& directory_;
  Reporter& reporter_;
  std::map<std::string, std::uint32_t, std::less<>> index_;
  std::set<std::string> ambiguous_;  ///< Names that are declared twice.
  std::vector<Place> places_;        ///< Where the consumer names each edge.
  std::vector<std::uint32_t> order_;
  std::set<std::uint32_t> broken_inputs_;
  std::set<std::string> excused_;
};

}  // namespace

void resolve_edges(Graph::Impl& graph, std::vector<ResolvedNode>& nodes, const TaskDirectory& directory,
                   Reporter& reporter) {
  EdgeResolver(graph, nodes, directory, reporter).run();
}

}  // namespace tenon::internal
