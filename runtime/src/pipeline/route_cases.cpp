#include "pipeline/route_cases.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <utility>

#include "pipeline/scalar_type.hpp"
#include "schema/schema_model.hpp"

namespace tenon::internal {
namespace {

/// The field at the end of a dotted path.
struct FieldType {
  std::string type;               ///< The type as a schema writes it.
  std::optional<TypeInfo> named;  ///< Set if the type is an enum.
  bool optional = false;          ///< The field may have no value; its text is then empty.
};

std::optional<FieldType> find_field(const std::string& path, const EdgeType& root, const TaskDirectory& directory) {
  std::optional<TypeInfo> at = directory.find_type(root.plugin, root.name);
  std::string_view rest = path;
  while (at) {
    const std::size_t dot = rest.find('.');
    const auto field = std::find_if(at->fields.begin(), at->fields.end(),
                                    [&](const FieldInfo& known) { return known.name == rest.substr(0, dot); });
    if (field == at->fields.end()) {
      return std::nullopt;
    }
    FieldType found{field->type, directory.find_type(root.plugin, field->type), field->default_value == "null"};
    if (dot == std::string_view::npos) {
      return found;
    }
    at = std::move(found.named);
    rest.remove_prefix(dot + 1);
  }
  return std::nullopt;
}

class CaseCheck {
 public:
  CaseCheck(const std::string& field, const FieldType& type, Reporter& reporter)
      : field_(field), type_(type), reporter_(reporter), scalar_(find_scalar(type.type)) {}

  void check(const CaseValue& value) {
    if (type_.optional && value.value.empty()) {
      return;
    }
    if (type_.named && !type_.named->enum_values.empty()) {
      const std::vector<std::string>& names = type_.named->enum_values;
      if (std::find(names.begin(), names.end(), value.value) == names.end()) {
        refuse(value, suggest(value.value, names, type_.named->name + " has " + list_names(names)));
      }
    } else if (type_.type == "bool") {
      if (value.value != "true" && value.value != "false") {
        refuse(value, "it is true or false");
      }
    } else if (scalar_ != nullptr) {
      scalar_->real ? check_real(value) : check_integer(value);
    }
  }

 private:
  void refuse(const CaseValue& value, std::string hint) {
    static constexpr std::string_view kConditions = "<>=!~";
    if (value.kind == Value::Kind::kString && !value.value.empty() &&
        kConditions.find(value.value.front()) != std::string_view::npos) {
      hint += "; a case lists values and takes no conditions";
    }
    const std::string written = value.kind == Value::Kind::kString ? "'" + value.value + "'" : value.value;
    reporter_.error(value.place, "'" + field_ + "' is never " + written, std::move(hint));
  }

  void check_integer(const CaseValue& value) {
    const std::string range = "it is an integer from " + std::to_string(scalar_->least) + " to " +
                              std::to_string(scalar_->most) + " (" + type_.type + ")";
    const char* const begin = value.value.data();
    const char* const end = begin + value.value.size();
    std::int64_t low = 0;
    std::uint64_t high = 0;
    std::string plain;
    if (const auto read = std::from_chars(begin, end, low); read.ec == std::errc() && read.ptr == end) {
      plain = scalar_->holds(low) ? std::to_string(low) : std::string();
    } else if (const auto wide = std::from_chars(begin, end, high); wide.ec == std::errc() && wide.ptr == end) {
      plain = high <= scalar_->most ? std::to_string(high) : std::string();
    }
    compare(value, plain, range);
  }

  void check_real(const CaseValue& value) {
    const char* const begin = value.value.data();
    const char* const end = begin + value.value.size();
    std::string plain;
    if (value.value == "nan" || value.value == "inf" || value.value == "-inf") {
      plain = value.value;
    } else if (scalar_->single_precision) {
      float number = 0;
      const auto read = std::from_chars(begin, end, number);
      plain =
          read.ec == std::errc() && read.ptr == end ? number_text(static_cast<double>(number), true) : std::string();
    } else {
      double number = 0;
      const auto read = std::from_chars(begin, end, number);
      plain = read.ec == std::errc() && read.ptr == end ? number_text(number, false) : std::string();
    }
    compare(value, plain, "it is a number with a fraction (" + type_.type + "), as in \"1.5\"");
  }

  /// `plain` is the text that items have for this value; empty if the field cannot have it.
  void compare(const CaseValue& value, const std::string& plain, const std::string& range) {
    if (plain.empty() || value.kind == Value::Kind::kBool) {
      refuse(value, range);
    } else if (plain != value.value) {
      refuse(value, "write that number as \"" + plain + "\"");
    }
  }

  const std::string& field_;
  const FieldType& type_;
  Reporter& reporter_;
  const ScalarType* scalar_;
};

}  // namespace

void check_route_cases(const NodeDeclaration& route, const EdgeType& type, const TaskDirectory& directory,
                       Reporter& reporter) {
  const std::optional<FieldType> field = find_field(route.field->value, type, directory);
  if (!field) {
    return;
  }
  CaseCheck check(route.field->value, *field, reporter);
  for (const CaseDeclaration& one : route.cases) {
    for (const CaseValue& value : one.values) {
      check.check(value);
    }
  }
}

}  // namespace tenon::internal
