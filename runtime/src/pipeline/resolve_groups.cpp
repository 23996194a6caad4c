#include "pipeline/resolve_groups.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "pipeline/declaration_groups.hpp"
#include "pipeline/find_item_field.hpp"

namespace tenon::internal {
namespace {

class GroupsResolver {
 public:
  GroupsResolver(const NodeDeclaration& node, const TaskDirectory& directory, Reporter& reporter, PlanNode& plan)
      : node_(node), directory_(directory), reporter_(reporter), plan_(plan), what_("reduce '" + node.name + "'") {}

  void resolve() {
    const GroupsDeclaration& declared = *node_.groups;
    GroupRule rule;
    GroupShape shape;
    shape.windows = declared.window.has_value();
    for (const Located<std::string>& field : declared.by) {
      if (ItemFieldPointer key = find(field)) {
        if (key->shape().kind == FieldKind::kOther) {
          reporter_.error(field.place,
                          what_ + ": '" + field.value + "' is " + key->shape().type + ", which cannot be a key",
                          "name a field inside it, as in \"" + field.value + ".<field>\"");
          continue;
        }
        shape.keys.push_back({field.value.substr(field.value.starts_with('@') ? 1 : 0), key->shape()});
        rule.keys.push_back(std::move(key));
      }
    }
    rule.most_groups = declared.most_groups.value_or(GroupRule::kUsualGroups);
    rule.memory_bytes = declared.memory_bytes.value_or(GroupRule::kUsualMemoryBytes);
    if (declared.window) {
      rule.window = resolve_window(*declared.window);
    }
    rule.shape = std::make_shared<const GroupShape>(std::move(shape));
    plan_.output_type.groups = rule.shape;
    plan_.groups = std::move(rule);
  }

 private:
  ItemFieldPointer find(const Located<std::string>& field) {
    ItemFieldPointer found = find_item_field(plan_.input_type, field.value, field.place, what_, directory_, reporter_);
    if (found != nullptr && !field.value.starts_with('@')) {
      plan_.read_fields.push_back(field.value);
    }
    return found;
  }

  WindowRule resolve_window(const WindowDeclaration& declared) {
    WindowRule rule;
    rule.size_ns = declared.size.count();
    rule.slide_ns = declared.slide.count();
    rule.gap_ns = declared.gap.count();
    if (declared.lateness) {
      rule.lateness_ns = declared.lateness->count();
    }
    rule.idle = declared.idle;
    rule.early = declared.early;
    if (!declared.time) {
      return rule;
    }
    rule.time = find(*declared.time);
    if (rule.time == nullptr) {
      return rule;
    }
    const std::string& name = declared.time->value;
    const FieldShape& shape = rule.time->shape();
    switch (shape.kind) {
      case FieldKind::kInteger:
      case FieldKind::kNatural:
      case FieldKind::kReal:
        if (const std::optional<std::int64_t> unit_ns = find_unit(declared)) {
          rule.unit_ns = *unit_ns;
        } else {
          reporter_.error(declared.time->place,
                          what_ + ": the name of '" + name + "' does not say the unit of the time",
                          "add unit = \"s\", \"ms\", \"us\" or \"ns\" to 'window'; names that end in _s, _ms, _us or "
                          "_ns need none");
        }
        break;
      case FieldKind::kText:
        if (declared.unit) {
          reporter_.error(declared.unit->place, what_ + ": '" + name + "' is a text, which has no unit",
                          "a text is a time such as 2026-11-30T22:18:00Z");
        }
        break;
      case FieldKind::kBool:
      case FieldKind::kEnum:
      case FieldKind::kOther:
        reporter_.error(declared.time->place, what_ + ": '" + name + "' is " + shape.type + ", which cannot be a time",
                        "a time is a number or a text such as 2026-11-30T22:18:00Z");
    }
    return rule;
  }

  /// Returns the unit that the file gives, or else the one at the end of the field's name.
  static std::optional<std::int64_t> find_unit(const WindowDeclaration& declared) {
    const std::string_view name = declared.time->value;
    for (const auto& [unit, unit_ns] : time_units()) {
      const std::string suffix = "_" + unit;
      if (declared.unit ? declared.unit->value == unit : name.ends_with(suffix)) {
        return unit_ns;
      }
    }
    return std::nullopt;
  }

  const NodeDeclaration& node_;
  const TaskDirectory& directory_;
  Reporter& reporter_;
  PlanNode& plan_;
  const std::string what_;
};

}  // namespace

void resolve_groups(const NodeDeclaration& node, const TaskDirectory& directory, Reporter& reporter, PlanNode& plan) {
  if (node.groups && plan.kind == NodeKind::kReduce) {
    GroupsResolver(node, directory, reporter, plan).resolve();
  }
}

}  // namespace tenon::internal
