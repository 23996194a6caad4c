#include "pipeline/resolve_streams.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "pipeline/find_item_field.hpp"
#include "pipeline/resolve_rules.hpp"

namespace tenon::internal {
namespace {

constexpr std::string_view kLineType = "tenon.Line";
constexpr std::string_view kRecordType = "tenon.Record";
constexpr std::string_view kIndex = "@index";

class OutputResolver {
 public:
  OutputResolver(const NodeDeclaration& node, const TaskDirectory& directory, Reporter& reporter, PlanNode& plan)
      : node_(node),
        directory_(directory),
        reporter_(reporter),
        plan_(plan),
        rule_(std::get<OutputRule>(plan.rule)),
        records_(plan.input_type.name == kRecordType) {}

  void run() {
    const EdgeType type = plan_.input_type;
    plan_.output_type = shared_type(kLineType, directory_);
    if (type.name.empty() || type.name == kAnyType) {
      reporter_.error(
          node_.place,
          "standard output cannot write the items of '" + node_.name + "': they have several types, or an unknown one",
          "give it inputs of one type");
      return;
    }
    switch (rule_.format) {
      case OutputRule::Format::kJsonLines:
        break;
      case OutputRule::Format::kCsv:
        resolve_table();
        break;
      case OutputRule::Format::kText:
        resolve_text();
        break;
    }
  }

 private:
  void resolve_table() {
    std::vector<Located<std::string>> columns = node_.columns;
    if (columns.empty() && !records_) {
      columns = usual_columns();
    }
    for (const Located<std::string>& column : columns) {
      rule_.columns.push_back(column.value);
      add_field(column);
    }
  }

  /// Returns the fields of the items that fit into a column.
  std::vector<Located<std::string>> usual_columns() {
    std::vector<Located<std::string>> columns;
    const auto info = directory_.find_type(plan_.input_type.plugin, plan_.input_type.name);
    for (const FieldInfo& field : info ? info->fields : std::vector<FieldInfo>()) {
      const auto known = directory_.item_field(plan_.input_type.plugin, plan_.input_type.name, field.name);
      if (!field.deprecated && known && (*known)->shape().kind != FieldKind::kOther) {
        columns.push_back({field.name, node_.place});
      }
    }
    if (columns.empty()) {
      reporter_.error(node_.place, plan_.input_type.name + " has no fields that fit into a column",
                      "name inner fields: columns = [\"<field>.<field>\"]");
    }
    return columns;
  }

  void resolve_text() {
    Located<std::string> text;
    if (node_.text_template) {
      text = *node_.text_template;
    } else if (plan_.input_type.name == kLineType) {
      text = {"{text}", node_.place};
    } else {
      reporter_.error(node_.place, "'" + node_.name + "' has no template for items of type " + plan_.input_type.name,
                      "add template = \"{<field>} ...\"");
      return;
    }
    read_pieces(text);
    if (!records_ && !rule_.projection) {
      rule_.projection.emplace();  // A text without fields.
    }
  }

  /// Reads "{path}: {size}"; "{{" and "}}" stand for braces.
  void read_pieces(const Located<std::string>& text) {
    const std::string_view all = text.value;
    std::string plain;
    const auto end_plain = [&] {
      if (!plain.empty()) {
        rule_.pieces.push_back({false, std::exchange(plain, {})});
      }
    };
    for (std::size_t i = 0; i < all.size(); ++i) {
      const char c = all[i];
      if ((c == '{' || c == '}') && i + 1 < all.size() && all[i + 1] == c) {
        plain += c;
        ++i;
      } else if (c == '{') {
        const std::size_t close = all.find('}', i);
        if (close == std::string_view::npos || close == i + 1) {
          report_brace(text, close == std::string_view::npos ? "is never closed" : "has no field");
          return;
        }
        end_plain();
        std::string field(all.substr(i + 1, close - i - 1));
        const bool known = std::any_of(rule_.pieces.begin(), rule_.pieces.end(), [&](const OutputRule::Piece& piece) {
          return piece.is_field && piece.text == field;
        });
        if (!known) {
          add_field({field, text.place});
        }
        rule_.pieces.push_back({true, std::move(field)});
        i = close;
      } else if (c == '}') {
        report_brace(text, "is never opened");
        return;
      } else {
        plain += c;
      }
    }
    end_plain();
  }

  void report_brace(const Located<std::string>& text, const std::string& what) {
    reporter_.error(text.place, "a brace of 'template' " + what, "write {{ and }} for braces as such");
  }

  /// A field of items that are no records becomes one of the record that is made of them.
  void add_field(const Located<std::string>& name) {
    if (records_) {
      if (name.value.starts_with('@') && name.value != kIndex) {
        reporter_.error(name.place, "items have no '" + name.value + "'", "they have @index");
      }
      return;
    }
    ItemFieldPointer source = find_item_field(plan_.input_type, name.value, name.place,
                                              "standard output '" + node_.name + "'", directory_, reporter_);
    if (source == nullptr) {
      return;
    }
    if (source->shape().kind == FieldKind::kOther) {
      reporter_.error(name.place,
                      "'" + name.value + "' is " + source->shape().type + ", which a line of text cannot have",
                      "name a field inside it, as in \"" + name.value + ".<field>\", or use format = \"jsonl\"");
      return;
    }
    if (!rule_.projection) {
      rule_.projection.emplace();
    }
    if (!name.value.starts_with('@')) {
      plan_.read_fields.push_back(name.value);
    }
    rule_.projection->fields.push_back({name.value, std::move(source), {}});
  }

  const NodeDeclaration& node_;
  const TaskDirectory& directory_;
  Reporter& reporter_;
  PlanNode& plan_;
  OutputRule& rule_;
  const bool records_;
};

}  // namespace

EdgeType input_item_type(const InputRule& rule, const TaskDirectory& directory) {
  switch (rule.format) {
    case InputRule::Format::kLines:
      return shared_type(kLineType, directory);
    case InputRule::Format::kBlob:
      return shared_type("tenon.File", directory);
    case InputRule::Format::kJsonLines:
    case InputRule::Format::kCsv:
      break;
  }
  return record_type(directory);
}

void resolve_output(const NodeDeclaration& node, const TaskDirectory& directory, Reporter& reporter, PlanNode& plan) {
  OutputResolver(node, directory, reporter, plan).run();
}

}  // namespace tenon::internal
