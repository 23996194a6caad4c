#include "pipeline/resolve_rules.hpp"

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/compile_condition.hpp"
#include "pipeline/find_item_field.hpp"

namespace tenon::internal {
namespace {

constexpr std::string_view kRecordType = "tenon.Record";

void collect_fields(const Condition& condition, std::set<std::string>& fields) {
  if (!condition.field.empty() && !condition.field.starts_with('@')) {
    fields.insert(condition.field);
  }
  for (const Condition& part : condition.parts) {
    collect_fields(part, fields);
  }
}

void resolve_conditions(const std::vector<const Condition*>& conditions, const std::string& what,
                        const TaskDirectory& directory, Reporter& reporter, PlanNode& plan) {
  if (std::optional<Decision> decision = compile_conditions(conditions, plan.input_type, what, directory, reporter)) {
    plan.rule = DecisionRule{std::make_shared<const Decision>(std::move(*decision))};
  }
  std::set<std::string> fields;
  for (const Condition* const condition : conditions) {
    collect_fields(*condition, fields);
  }
  plan.read_fields.assign(fields.begin(), fields.end());
}

void resolve_projection(const NodeDeclaration& node, const TaskDirectory& directory, Reporter& reporter,
                        PlanNode& plan) {
  const std::string what = "project '" + node.name + "'";
  ProjectRule rule;
  for (const FieldDeclaration& field : node.fields) {
    ItemFieldPointer source =
        find_item_field(plan.input_type, field.source.value, field.source.place, what, directory, reporter);
    if (source == nullptr) {
      continue;
    }
    if (source->shape().kind == FieldKind::kOther) {
      reporter.error(field.source.place,
                     what + ": '" + field.source.value + "' is " + source->shape().type +
                         "; a record has only numbers, strings, booleans and names of enums",
                     "name a field inside it, as in \"" + field.source.value + ".<field>\", or use a task");
      continue;
    }
    if (!field.source.value.starts_with('@')) {
      plan.read_fields.push_back(field.source.value);
    }
    rule.fields.push_back({field.name, std::move(source), field.otherwise});
  }
  plan.rule = std::move(rule);
}

}  // namespace

void resolve_rule(const NodeDeclaration& node, const TaskDirectory& directory, Reporter& reporter, PlanNode& plan) {
  if (node.where) {
    resolve_conditions({&*node.where}, "filter '" + node.name + "'", directory, reporter, plan);
  } else if (node.kind == NodeKind::kProject) {
    resolve_projection(node, directory, reporter, plan);
  } else if (node.kind == NodeKind::kRoute && !node.field) {
    std::vector<const Condition*> conditions;
    for (const CaseDeclaration& one : node.cases) {
      if (!one.condition) {
        return;  // An error in it has been reported.
      }
      conditions.push_back(&*one.condition);
    }
    if (!conditions.empty()) {
      resolve_conditions(conditions, "route '" + node.name + "'", directory, reporter, plan);
    }
  }
}

EdgeType record_type(const TaskDirectory& directory) {
  return shared_type(kRecordType, directory);
}

EdgeType shared_type(std::string_view name, const TaskDirectory& directory) {
  // Every schema that includes the shared types has it; the consumer's must agree anyway.
  for (const std::string& plugin : directory.plugin_names()) {
    const auto found = directory.find_plugin(plugin);
    if (found && !found->problem && directory.find_type(plugin, name)) {
      return {plugin, std::string(name)};
    }
  }
  return {{}, std::string(name)};
}

}  // namespace tenon::internal
