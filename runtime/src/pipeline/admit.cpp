// Decides whether a graph can continue with another version of one of its plugins.
#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <tenon/pipeline.hpp>

#include "pipeline/plan.hpp"
#include "schema/field_path.hpp"
#include "schema/schema_model.hpp"

namespace tenon {
namespace internal {
namespace {

/// A message lists at most this many reasons.
constexpr std::size_t kMostReasons = 8;

std::string_view plugin_of(std::string_view task) {
  return task.substr(0, task.find('.'));
}

/// Compares the plugin that the graph was checked with to a candidate version of it.
class Admission {
 public:
  Admission(const Graph::Impl& graph, const PluginInfo& candidate, const Schema& old_schema, const Schema& new_schema)
      : graph_(graph), candidate_(candidate), old_(old_schema), new_(new_schema) {}

  /// Returns one phrase for each incompatibility.
  std::vector<std::string> run() {
    check_settings();
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
      const PlanNode& node = graph_.nodes[i];
      if (!node.task.empty() && plugin_of(node.task) == candidate_.name) {
        check_task(node);
      }
      check_fields(node);
      if (node.output_type.plugin == candidate_.name && names_table(node.output_type)) {
        check_consumers(node);
      }
    }
    return std::move(reasons_);
  }

 private:
  static bool names_table(const EdgeType& type) { return !type.name.empty() && type.name != kAnyType; }

  static std::string title(const PlanNode& node) {
    return (node.kind == NodeKind::kSource ? "source '"
            : node.kind == NodeKind::kSink ? "sink '"
                                           : "stage '") +
           node.name + "'";
  }

  void add(std::string reason) {
    if (told_.insert(reason).second) {
      reasons_.push_back(std::move(reason));
    }
  }

  void require_readable(const std::string& what, const Schema& writer, std::string_view type, const Schema& reader,
                        std::string_view reader_type) {
    if (const Result<void> readable = Schema::check_readable(writer, type, reader, reader_type); !readable) {
      add(what + ": " + readable.error().message);
    }
  }

  void check_settings() {
    if (graph_.plugin_settings.count(candidate_.name) == 0) {
      return;
    }
    if (new_.settings_type().empty()) {
      add("the file gives it settings, but it has no settings");
    } else {
      require_readable("settings", old_, old_.settings_type(), new_, new_.settings_type());
    }
  }

  void check_task(const PlanNode& node) {
    const std::string method = node.task.substr(candidate_.name.size() + 1);
    const TaskInfo* const before = old_.find_task(method);
    const TaskInfo* const now = new_.find_task(method);
    if (now == nullptr) {
      add(title(node) + " uses the task " + node.task + ", which this version does not have");
      return;
    }
    if (before == nullptr) {
      return;
    }
    if (now->kind != before->kind) {
      add(title(node) + ": " + node.task + " is " + std::string(task_kind_text(now->kind)) + " in this version (was " +
          std::string(task_kind_text(before->kind)) + ")");
      return;
    }
    if (now->argument_type != before->argument_type) {
      add(title(node) + ": " + node.task + " takes " + now->argument_type + " in this version (took " +
          before->argument_type + ")");
    } else {
      check_inputs(node, *now);
    }
    if (now->result_type != before->result_type) {
      add(title(node) + ": " + node.task + " gives " + now->result_type + " in this version (gave " +
          before->result_type + ")");
    }
    if (node.params.empty()) {
      return;
    }
    if (now->params_type.empty()) {
      add(title(node) + ": the file gives params, and " + node.task + " takes none in this version");
    } else {
      require_readable(title(node) + ", params", old_, before->params_type, new_, now->params_type);
    }
  }

  /// Checks the inputs of a task of the candidate: from other plugins, and from the version before.
  void check_inputs(const PlanNode& node, const TaskInfo& now) {
    if (node.kind == NodeKind::kSource) {
      require_readable(title(node) + ", args", old_, now.argument_type, new_, now.argument_type);
      return;
    }
    for (const std::uint32_t edge : node.inputs) {
      const EdgeType& type = graph_.nodes[graph_.edges[edge].from].output_type;
      const Schema* const writer = schema_of(type.plugin);
      if (names_table(type) && writer != nullptr) {
        require_readable("from '" + graph_.nodes[graph_.edges[edge].from].name + "' to '" + node.name + "'", *writer,
                         type.name, new_, now.argument_type);
      }
    }
  }

  /// Checks the fields that routes, keys, conditions and projections read. They are read with the
  /// schema that the file
  /// was checked with.
  void check_fields(const PlanNode& node) {
    const EdgeType& type = node.input_type;
    if (type.plugin != candidate_.name || !names_table(type)) {
      return;
    }
    for (const std::string& field : node.read_fields) {
      if (const auto path = FieldPath::make(SchemaAccess::model(new_), type.name, field); !path) {
        add(title(node) + " reads " + type.name + "." + field + ": " + path.error().message);
      } else {
        require_readable(title(node) + " reads " + type.name, new_, type.name, old_, type.name);
      }
    }
    for (const std::string& field : {node.route_field, node.key_field}) {
      if (field.empty()) {
        continue;
      }
      if (const auto reader = FieldReader::make(new_, type.name, field); !reader) {
        add(title(node) + " reads " + type.name + "." + field + ": " + reader.error().message);
      } else {
        require_readable(title(node) + " reads " + type.name, new_, type.name, old_, type.name);
      }
    }
  }

  /// Checks the results that the candidate passes to tasks of other plugins. Tasks of the candidate
  /// itself switch to the new version together with it, so they need no check.
  void check_consumers(const PlanNode& node) {
    for (const PlanOutput& output : node.outputs) {
      for (const std::uint32_t edge : output.edges) {
        const PlanNode& to = graph_.nodes[graph_.edges[edge].to];
        const std::string_view plugin = plugin_of(to.task);
        if (to.task.empty() || plugin == candidate_.name) {
          continue;
        }
        const Schema* const reader = schema_of(plugin);
        const TaskInfo* const task =
            reader == nullptr ? nullptr : reader->find_task(std::string_view(to.task).substr(plugin.size() + 1));
        if (task != nullptr) {
          require_readable("from '" + node.name + "' to '" + to.name + "'", new_, node.output_type.name, *reader,
                           task->argument_type);
        }
      }
    }
  }

  const Schema* schema_of(std::string_view plugin) const {
    const auto found = graph_.catalog.find_plugin(plugin);
    // The catalog keeps it alive.
    return found == nullptr || !found->schema ? nullptr : &*found->schema;
  }

  const Graph::Impl& graph_;
  const PluginInfo& candidate_;
  const Schema& old_;
  const Schema& new_;
  std::vector<std::string> reasons_;
  std::set<std::string> told_;
};

Result<void> refuse(const PluginInfo& candidate, std::string why) {
  ErrorContext context;
  context.plugin = candidate.name + " " + candidate.version;
  return fail(ErrorCode::kIncompatible, std::move(why), std::move(context));
}

}  // namespace
}  // namespace internal

Result<void> Graph::admits(const PluginInfo& candidate) const {
  const std::string title = "plugin '" + candidate.name + "' " + candidate.version;
  const auto pin = impl_->pins.find(candidate.name);
  if (pin != impl_->pins.end() && !pin->second.pin.accepts(candidate.version)) {
    return internal::refuse(candidate, title + " is outside the version pin \"" + pin->second.text +
                                           "\" of pipeline '" + impl_->name + "' (" + pin->second.place +
                                           "); change the pin to admit it");
  }
  const bool used = impl_->plugin_settings.count(candidate.name) > 0 ||
                    std::any_of(impl_->nodes.begin(), impl_->nodes.end(), [&](const internal::PlanNode& node) {
                      return internal::plugin_of(node.task) == candidate.name;
                    });
  const auto before = impl_->catalog.find_plugin(candidate.name);
  if (!used || before == nullptr || !before->schema) {
    return {};
  }
  if (!candidate.schema) {
    return internal::refuse(
        candidate,
        title + " cannot be used: " + (candidate.problem ? candidate.problem->message : "its schema cannot be read"));
  }
  const std::vector<std::string> reasons =
      internal::Admission(*impl_, candidate, *before->schema, *candidate.schema).run();
  if (reasons.empty()) {
    return {};
  }
  std::string why = title + " does not fit pipeline '" + impl_->name + "': ";
  for (std::size_t i = 0; i < std::min(reasons.size(), internal::kMostReasons); ++i) {
    why += (i == 0 ? "" : "; ") + reasons[i];
  }
  if (reasons.size() > internal::kMostReasons) {
    why += "; and " + std::to_string(reasons.size() - internal::kMostReasons) + " more";
  }
  return internal::refuse(candidate, std::move(why));
}

}  // namespace tenon
