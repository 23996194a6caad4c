#include "pipeline/resolve.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "pipeline/declaration_streams.hpp"
#include "pipeline/encode.hpp"
#include "pipeline/output_directories.hpp"
#include "pipeline/resolve_tests.hpp"
#include "pipeline/version_pin.hpp"
#include "schema/schema_model.hpp"

namespace tenon::internal {
namespace {

class Resolver {
 public:
  Resolver(const PipelineDeclaration& declaration, const TaskDirectory& directory, const Environment& environment,
           Reporter& reporter)
      : declaration_(declaration),
        directory_(directory),
        environment_(environment),
        reporter_(reporter),
        outputs_(directory, reporter) {}

  Graph::Impl run() {
    graph_.name = declaration_.name;
    graph_.description = declaration_.description;
    graph_.give_up_after = declaration_.give_up_after;
    for (const PluginDeclaration& plugin : declaration_.plugins) {
      resolve_plugin(plugin);
    }
    std::vector<ResolvedNode> nodes;
    nodes.reserve(declaration_.nodes.size());
    for (const NodeDeclaration& node : declaration_.nodes) {
      nodes.push_back(resolve_node(node));
    }
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      // Sources come last: only now are the output directories of all stages known.
      if (nodes[i].task && nodes[i].declaration->kind == NodeKind::kSource) {
        encode_args(*nodes[i].declaration, *nodes[i].task, nodes[i].plugin, graph_.nodes[i]);
      }
    }
    resolve_edges(graph_, nodes, directory_, reporter_);
    return std::move(graph_);
  }

 private:
  void resolve_plugin(const PluginDeclaration& declared) {
    const auto plugin = directory_.find_plugin(declared.name);
    if (!plugin) {
      report_plugin(declared.place, declared.name);
      return;
    }
    if (plugin->problem) {
      reporter_.error(declared.place, "plugin '" + declared.name + "' cannot be used: " + *plugin->problem);
      return;
    }
    if (declared.version) {
      const auto pin = VersionPin::parse(declared.version->value);
      if (!pin) {
        reporter_.error(declared.version->place, pin.error().message);
      } else if (!pin->accepts(plugin->version)) {
        reporter_.error(declared.version->place,
                        "plugin '" + declared.name + "' is version " + plugin->version + "; the pin asks for " +
                            declared.version->value,
                        "install a plugin that fits, or change the pin");
      } else {
        graph_.pins.insert_or_assign(
            declared.name, PlanPin{*pin, declared.version->value, reporter_.place_text(declared.version->place)});
      }
    }
    if (declared.settings == nullptr) {
      return;
    }
    if (plugin->settings_type.empty()) {
      reporter_.error(declared.settings->place, "plugin '" + declared.name + "' has no settings");
      return;
    }
    EncodeRequest request;
    request.plugin = declared.name;
    request.type = plugin->settings_type;
    request.entry = declared.settings;
    request.what = "settings of plugin '" + declared.name + "'";
    if (auto settings = encode_table(directory_, request, environment_, reporter_)) {
      graph_.plugin_settings[declared.name] = std::move(*settings);
    }
  }

  void report_plugin(const Place& place, const std::string& name) {
    const std::vector<std::string> names = directory_.plugin_names();
    reporter_.error(place, "there is no plugin '" + name + "'",
                    suggest(name, names,
                            (names.empty() ? "no plugin was found" : "plugins are " + list_names(names)) +
                                "; add plugin directories with --plugin-dir, TENON_PLUGIN_PATH, or plugin_dirs of "
                                "[pipeline]"));
  }

  std::optional<TaskInfo> find_task(const Located<std::string>& written, std::string& plugin_name) {
    const std::size_t dot = written.value.find('.');
    if (dot == std::string::npos || dot == 0 || dot + 1 == written.value.size()) {
      reporter_.error(written.place, "'" + written.value + "' is not the name of a task",
                      suggest(written.value, all_tasks(), "write \"<plugin>.<task>\""));
      return std::nullopt;
    }
    plugin_name = written.value.substr(0, dot);
    const std::string method = written.value.substr(dot + 1);
    const auto plugin = directory_.find_plugin(plugin_name);
    if (!plugin) {
      report_plugin(written.place, plugin_name);
      return std::nullopt;
    }
    if (plugin->problem) {
      reporter_.error(written.place, "plugin '" + plugin_name + "' cannot be used: " + *plugin->problem);
      return std::nullopt;
    }
    std::optional<TaskInfo> task = directory_.find_task(plugin_name, method);
    if (!task) {
      std::vector<std::string> full;
      for (const std::string& known : plugin->tasks) {
        full.push_back(plugin_name + "." + known);
      }
      reporter_.error(written.place, "plugin '" + plugin_name + "' has no task '" + method + "'",
                      suggest(written.value, full, "it has " + list_names(plugin->tasks)));
    }
    return task;
  }

  std::vector<std::string> all_tasks() const {
    std::vector<std::string> names;
    for (const std::string& plugin : directory_.plugin_names()) {
      if (const auto found = directory_.find_plugin(plugin)) {
        for (const std::string& task : found->tasks) {
          names.push_back(plugin + "." + task);
        }
      }
    }
    return names;
  }

  /// Returns whether the section accepts a task of this kind.
  bool check_kind(const NodeDeclaration& node, const TaskInfo& task) {
    const Place& place = node.task->place;
    const std::string is = "'" + node.task->value + "' is " + std::string(task_kind_text(task.kind)) + "; ";
    switch (node.kind) {
      case NodeKind::kSource:
        if (task.kind != TaskKind::kSource) {
          reporter_.error(place, is + "a source takes a task that gives items",
                          "put it under [stages." + node.name + "] or [sinks." + node.name + "]");
          return false;
        }
        return true;
      case NodeKind::kMap:
        if (task.kind == TaskKind::kSource && !node.kind_given) {
          return true;  // An expand; see kind_of.
        }
        if (task.kind != TaskKind::kPlain) {
          reporter_.error(place, is + "a map takes a plain task",
                          task.kind == TaskKind::kSource
                              ? "leave 'kind' out, or write kind = \"expand\", to take all its results for each item"
                              : "add kind = \"reduce\" or kind = \"batch\"");
          return false;
        }
        return true;
      case NodeKind::kExpand:
        if (task.kind != TaskKind::kSource) {
          reporter_.error(place, is + "an expand takes a task that gives items (streaming: \"server\")",
                          task.kind == TaskKind::kPlain ? "leave 'kind' out to run it on each item"
                                                        : "write kind = \"reduce\" or kind = \"batch\"");
          return false;
        }
        return true;
      case NodeKind::kBatch:
      case NodeKind::kReduce:
        if (task.kind != TaskKind::kReduce) {
          reporter_.error(place, is + "a " + std::string(node_kind_name(node.kind)) + " stage takes a reduce task",
                          task.kind == TaskKind::kSource ? "put it under [sources." + node.name + "]"
                                                         : "leave 'kind' out to run it on each item");
          return false;
        }
        return true;
      case NodeKind::kSink:
        if (task.kind == TaskKind::kSource) {
          reporter_.error(place, is + "a sink takes a plain task or a reduce",
                          "put it under [sources." + node.name + "]");
          return false;
        }
        return true;
      case NodeKind::kRoute:
      case NodeKind::kFilter:
      case NodeKind::kProject:
      case NodeKind::kSample:
      case NodeKind::kLimit:
      case NodeKind::kThrottle:
      case NodeKind::kDelay:
      case NodeKind::kGiven:
      case NodeKind::kCollect:
        return true;
    }
    return true;
  }

  /// Returns the kind of a node: a stage without a kind expands its items if its task gives several
  /// for one.
  static NodeKind kind_of(const NodeDeclaration& node, const ResolvedNode& resolved) {
    const bool expands = node.kind == NodeKind::kMap && resolved.task && resolved.task->kind == TaskKind::kSource;
    return expands ? NodeKind::kExpand : node.kind;
  }

  /// A map accepts an order by key, an expand does not.
  void check_expand(const NodeDeclaration& node) {
    if (node.order_field) {
      reporter_.error(
          node.order_field->place,
          "'order = \"key:...\"' does not apply: '" + node.task->value +
              "' gives several results for each item, which makes the stage an expand",
          "an expand takes order = \"none\" or \"input\"; to order the results by a key, set it in the next stage");
    }
  }

  void encode_params(const NodeDeclaration& node, const TaskInfo& task, const std::string& plugin, PlanNode& plan) {
    if (node.params == nullptr) {
      // Defaults need no bytes, but required fields must still be given.
      if (task.params_type.empty() || !requires_something(plugin, task.params_type)) {
        return;
      }
    } else if (task.params_type.empty()) {
      reporter_.error(node.params->place, "task '" + task.full_name + "' has no params",
                      node.kind == NodeKind::kSource ? "its argument is 'args'" : "");
      return;
    }
    EncodeRequest request;
    request.plugin = plugin;
    request.type = task.params_type;
    request.entry = node.params;
    request.owner = node.place;
    request.what = "params of " + std::string(section_name(node.section)) + " '" + node.name + "'";
    if (auto params = encode_table(directory_, request, environment_, reporter_)) {
      plan.params = std::move(*params);
    }
  }

  bool requires_something(const std::string& plugin, const std::string& type) const {
    const auto info = directory_.find_type(plugin, type);
    return info && std::any_of(info->fields.begin(), info->fields.end(),
                               [](const FieldInfo& field) { return field.required && !field.deprecated; });
  }

  ResolvedTask with_files(const TaskInfo& task, const std::string& plugin) const {
    return {plugin, task, directory_.find_files(plugin, task.name)};
  }

  void encode_args(const NodeDeclaration& node, const TaskInfo& task, const std::string& plugin, PlanNode& plan) {
    EncodeRequest request;
    request.plugin = plugin;
    request.type = task.argument_type;
    const ResolvedTask resolved = with_files(task, plugin);
    const std::optional<Entry> extended = outputs_.extend_args(node, resolved);
    request.entry = extended ? &*extended : node.args;
    request.owner = node.place;
    request.what = "args of source '" + node.name + "'";
    if (auto argument = encode_table(directory_, request, environment_, reporter_)) {
      plan.argument = std::move(*argument);
      outputs_.check_source(node, resolved, plan.argument);
    }
  }

  ResolvedNode resolve_node(const NodeDeclaration& node) {
    PlanNode plan;
    plan.name = node.name;
    plan.queue = node.queue;
    plan.workers = node.workers ? node.workers->value : 0;
    if (node.timeout) {
      plan.timeout = node.timeout->value;
    }
    if (node.retry) {
      plan.retry = *node.retry;
      plan.retries = true;
    }
    plan.order = node.order;
    plan.else_dropped = node.else_dropped;
    plan.batch_size = node.batch_size;
    plan.batch_wait = node.batch_wait;
    plan.rule = node.rule;

    ResolvedNode resolved;
    resolved.declaration = &node;
    if (node.task) {
      resolved.task = find_task(*node.task, resolved.plugin);
      if (resolved.task && !check_kind(node, *resolved.task)) {
        resolved.task.reset();
      }
    }
    plan.kind = kind_of(node, resolved);
    if (plan.kind == NodeKind::kExpand && node.task) {
      check_expand(node);
    }
    if (resolved.task) {
      const TaskInfo& task = *resolved.task;
      plan.task = task.full_name;
      plan.idempotent = task.idempotent;
      plan.collects = task.kind == TaskKind::kReduce;
      encode_params(node, task, resolved.plugin, plan);
      if (node.kind != NodeKind::kSource) {
        plan.input_type = {resolved.plugin, task.argument_type};
        outputs_.add(node, with_files(task, resolved.plugin), plan);
      }
      plan.output_type = {resolved.plugin, task.result_type};
      if (node.kind == NodeKind::kSink && plan.collects) {
        check_collecting_sink(node);
      }
    }
    graph_.nodes.push_back(std::move(plan));
    return resolved;
  }

  /// A sink with a reduce task accepts only the keys of a reduce.
  void check_collecting_sink(const NodeDeclaration& node) {
    const auto refuse = [&](const Place& place, std::string_view key) {
      reporter_.error(place, "'" + std::string(key) + "' does not apply: '" + node.task->value +
                                 "' is a reduce, one session for the whole stream");
    };
    if (node.workers && node.workers->value > 1) {
      refuse(node.workers->place, "workers");
    }
    if (node.retry) {
      refuse(node.place, "retry");
    }
    if (node.order_field) {
      refuse(node.order_field->place, "order");
    }
  }

  const PipelineDeclaration& declaration_;
  const TaskDirectory& directory_;
  const Environment& environment_;
  Reporter& reporter_;
  OutputDirectories outputs_;
  Graph::Impl graph_;
};

}  // namespace

Graph::Impl resolve(const PipelineDeclaration& declaration, const TaskDirectory& directory,
                    const Environment& environment, Reporter& reporter) {
  return Resolver(declaration, directory, environment, reporter).run();
}

std::optional<Graph::Impl> load_graph(const LoadRequest& request, const TaskDirectory& directory,
                                      const LoadOptions& options, Reporter& reporter) {
  std::optional<Value> document = parse_document(request.text, reporter);
  if (!document) {
    return std::nullopt;
  }
  apply_overrides(*document, options.overrides, reporter);
  const Environment environment(options.environment);
  const PipelineDeclaration declaration = read_declarations(*document, environment, reporter);
  if (!declaration.complete) {
    return std::nullopt;
  }
  check_streams(declaration, options.standard_streams, reporter);
  Graph::Impl graph = resolve(declaration, directory, environment, reporter);
  const bool sound = !reporter.has_errors();
  std::map<std::string, std::string> names;
  resolve_tests(*document, request.file, directory, environment, sound, names, graph, reporter);
  bool good = !reporter.has_errors();
  if (request.test_reporter != nullptr) {
    const std::optional<Value> tests = parse_document(request.test_text, *request.test_reporter);
    if (tests) {
      TableReader(*tests, "a file of tests", environment, *request.test_reporter)
          .check_keys({"tests"}, [](const auto&) {
            return std::string("the pipeline itself is in the file without '.test' in its name");
          });
      resolve_tests(*tests, request.test_file, directory, environment, sound, names, graph, *request.test_reporter);
    }
    good = good && !request.test_reporter->has_errors();
  }
  if (!good) {
    return std::nullopt;
  }
  if (graph.name.empty()) {
    graph.name = std::string(request.default_name);
  }
  return graph;
}

}  // namespace tenon::internal
