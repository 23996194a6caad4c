// Parts of a schema as text for people.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <string>
#include <string_view>

#include "schema/schema_model.hpp"

namespace tenon::internal {

std::string_view task_kind_text(TaskKind kind) noexcept {
  switch (kind) {
    case TaskKind::kPlain:
      return "a plain task";
    case TaskKind::kSource:
      return "a source";
    case TaskKind::kReduce:
      return "a reduce";
  }
  return "a plain task";
}

std::string SchemaModel::type_text(const TypeRef& type) const {
  switch (type.base) {
    case BaseType::kVector:
      return type.is_bytes() ? "[ubyte]" : "[" + type_text(type.element_type()) + "]";
    case BaseType::kArray:
      return "[" + type_text(type.element_type()) + ":" + std::to_string(type.fixed_length) + "]";
    case BaseType::kObject:
      return object(type).name;
    case BaseType::kString:
      return "string";
    default:
      break;
  }
  if (type.index >= 0) {
    return enumeration(type).name;
  }
  static constexpr std::string_view kNames[] = {"none",  "uint8",  "bool",  "int8",   "uint8", "int16", "uint16",
                                                "int32", "uint32", "int64", "uint64", "float", "double"};
  return std::string(kNames[static_cast<std::size_t>(type.base)]);
}

std::string SchemaModel::default_text(const FieldModel& field) const {
  if (!is_scalar(field.type.base)) {
    return {};
  }
  if (field.optional) {
    return "null";
  }
  if (is_float(field.type.base)) {
    return number_text(field.default_real, field.type.base == BaseType::kFloat);
  }
  if (field.type.index >= 0) {
    if (const EnumValueModel* value = enumeration(field.type).find_value(field.default_integer)) {
      return value->name;
    }
  }
  if (field.type.base == BaseType::kBool) {
    return field.default_integer != 0 ? "true" : "false";
  }
  return field.type.base == BaseType::kULong ? std::to_string(static_cast<std::uint64_t>(field.default_integer))
                                             : std::to_string(field.default_integer);
}

std::string number_text(double value, bool single_precision) {
  if (std::isnan(value)) {
    return "\"nan\"";
  }
  if (std::isinf(value)) {
    return value > 0 ? "\"inf\"" : "\"-inf\"";
  }
  char digits[64];
  const auto end = single_precision ? std::to_chars(digits, digits + sizeof digits, static_cast<float>(value))
                                    : std::to_chars(digits, digits + sizeof digits, value);
  std::string result(digits, end.ptr);
  // A whole number keeps a mark that it is a floating-point number, so that readers do not change
  // its type.
  if (result.find_first_of(".e") == std::string::npos) {
    result += ".0";
  }
  return result;
}

std::optional<double> parse_non_finite(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) {
    text.remove_prefix(1);
  }
  const auto is = [text](std::string_view word) {
    return std::equal(text.begin(), text.end(), word.begin(), word.end(), [](char a, char b) {
      return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
    });
  };
  if (is("nan")) {
    return std::numeric_limits<double>::quiet_NaN();
  }
  if (is("inf") || is("infinity")) {
    return negative ? -std::numeric_limits<double>::infinity() : std::numeric_limits<double>::infinity();
  }
  return std::nullopt;
}

}  // namespace tenon::internal
