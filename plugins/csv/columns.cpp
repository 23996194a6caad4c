#include "csv/columns.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <system_error>
#include <unordered_map>

#include <tenon/plugin.hpp>

#include "common/file_name.hpp"
#include "common/utf8.hpp"

namespace csv {
namespace {

using tenon::TaskError;
using tenon::plugins::quote;
using tenon::plugins::RecordBuilder;
using tenon::plugins::view;

bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}

/// Whether a number may follow: std::from_chars also takes "nan" and "inf".
bool starts_number(std::string_view text) noexcept {
  const std::size_t sign = text.starts_with('+') || text.starts_with('-') ? 1 : 0;
  return text.size() > sign && (text[sign] == '.' || is_digit(text[sign]));
}

std::optional<std::int64_t> integer_of(std::string_view text) noexcept {
  if (!starts_number(text)) {
    return std::nullopt;
  }
  text.remove_prefix(text.starts_with('+') ? 1 : 0);
  std::int64_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  return code == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

std::optional<double> number_of(std::string_view text) noexcept {
  if (!starts_number(text)) {
    return std::nullopt;
  }
  text.remove_prefix(text.starts_with('+') ? 1 : 0);
  double value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  return code == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

/// The words for numbers that have no digits. Only columns of numbers know them.
std::optional<double> not_finite_of(std::string_view text) noexcept {
  if (text == "NaN") {
    return std::numeric_limits<double>::quiet_NaN();
  }
  const bool negative = text.starts_with('-');
  if (text.substr(negative ? 1 : 0) == "Infinity") {
    return negative ? -std::numeric_limits<double>::infinity() : std::numeric_limits<double>::infinity();
  }
  return std::nullopt;
}

std::optional<bool> boolean_of(std::string_view text) noexcept {
  if (text == "true" || text == "TRUE" || text == "True") {
    return true;
  }
  if (text == "false" || text == "FALSE" || text == "False") {
    return false;
  }
  return std::nullopt;
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) {
    text += (text.empty() ? "" : ", ") + name;
    if (text.size() > 300) {
      return text + ", ...";
    }
  }
  return text;
}

std::string wrong(std::string_view name, std::string_view text, const char* what) {
  return "column " + quote(name) + ": " + quote(text.substr(0, 100)) + " is not " + what +
         "; correct it, or set another type in `types`";
}

/// Returns what is wrong; empty if nothing is.
std::string add_value(std::string_view name, Type type, const Field& field, RecordBuilder& record) {
  const std::string_view text = field.text;
  if (type == Type::text || (type == Type::automatic && field.quoted)) {
    record.text(name, text);
    return {};
  }
  if (text.empty()) {
    record.null(name);
    return {};
  }
  switch (type) {
    case Type::integer:
      if (const auto value = integer_of(text)) {
        record.integer(name, *value);
        return {};
      }
      return wrong(name, text, "an integer of 64 bits");
    case Type::number:
      if (const auto value = number_of(text)) {
        record.number(name, *value);
        return {};
      }
      if (const auto value = not_finite_of(text)) {
        record.number(name, *value);
        return {};
      }
      return wrong(name, text, "a number");
    case Type::boolean:
      if (const auto value = boolean_of(text)) {
        record.boolean(name, *value);
        return {};
      }
      return wrong(name, text, "true or false");
    default:
      break;
  }
  const Value value = infer(text);
  switch (value.kind) {
    case Value::Kind::kNull:
      record.null(name);
      break;
    case Value::Kind::kBool:
      record.boolean(name, value.boolean);
      break;
    case Value::Kind::kInteger:
      record.integer(name, value.integer);
      break;
    case Value::Kind::kNumber:
      record.number(name, value.number);
      break;
    case Value::Kind::kText:
      record.text(name, text);
      break;
  }
  return {};
}

}  // namespace

Value infer(std::string_view text) noexcept {
  Value value;
  if (text.empty()) {
    value.kind = Value::Kind::kNull;
    return value;
  }
  const std::size_t sign = text.front() == '-' ? 1 : 0;
  if (text.size() == sign || !is_digit(text[sign])) {
    if (const auto boolean = text.size() <= 5 ? boolean_of(text) : std::nullopt) {
      value.kind = Value::Kind::kBool;
      value.boolean = *boolean;
    }
    return value;
  }
  // Numbers with leading zeros are names: postal codes, article numbers.
  if (text[sign] == '0' && text.size() > sign + 1 && is_digit(text[sign + 1])) {
    return value;
  }
  if (const auto integer = integer_of(text)) {
    value.kind = Value::Kind::kInteger;
    value.integer = *integer;
  } else if (text.find_first_not_of("0123456789", sign) != std::string_view::npos) {
    if (const auto number = number_of(text)) {
      value.kind = Value::Kind::kNumber;
      value.number = *number;
    }
  }
  return value;
}

Columns::Columns(const std::string& path, const std::vector<std::string>& names, const ReadParams& params) {
  std::unordered_map<std::string_view, std::size_t> places;
  places.reserve(names.size());
  const auto column_of = [&](std::string_view name, const char* param) -> Column& {
    const auto place = places.find(name);
    if (place == places.end()) {
      throw TaskError(TENON_INVALID_ARGUMENT, quote(path) + ": `" + param + "` names the column " + quote(name) +
                                                  ", which does not exist; there are: " + joined(names));
    }
    return columns_[place->second];
  };
  for (const std::string& name : names) {
    fixed_bytes_ += name.size() + 64;
    if (!places.emplace(name, columns_.size()).second) {
      throw TaskError(TENON_INVALID_ARGUMENT,
                      quote(path) + ": two columns have the name " + quote(name) + "; set `names` to distinguish them");
    }
    columns_.push_back({name, params.type(), params.only() == nullptr});
  }
  if (params.only() != nullptr) {
    for (const auto* name : *params.only()) {
      column_of(view(name), "only").wanted = true;
    }
  }
  if (params.types() != nullptr) {
    for (const ColumnType* type : *params.types()) {
      column_of(view(type->name()), "types").type = type->type();
    }
  }
}

std::string Columns::add(std::span<const Field> row, RecordBuilder& record) const {
  if (row.size() != columns_.size()) {
    return "has " + std::to_string(row.size()) + (row.size() == 1 ? " field" : " fields") + " where " +
           std::to_string(columns_.size()) + " are expected; correct the row, or check `separator` and `quote`";
  }
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (columns_[i].wanted) {
      if (std::string why = add_value(columns_[i].name, columns_[i].type, row[i], record); !why.empty()) {
        return why;
      }
    }
  }
  return {};
}

}  // namespace csv
