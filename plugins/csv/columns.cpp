#include "csv/columns.hpp"

#include <algorithm>
#include <optional>
#include <unordered_map>

#include <tenon/plugin.hpp>

#include "common/file_name.hpp"
#include "common/utf8.hpp"
#include "rows/csv_values.hpp"

namespace csv {
namespace {

using tenon::TaskError;
using tenon::plugins::quote;
using tenon::plugins::view;
using tenon::rows::boolean_of;
using tenon::rows::integer_of;
using tenon::rows::not_finite_of;
using tenon::rows::number_of;
using tenon::rows::RecordBuilder;

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
  tenon::rows::add_inferred(name, field, record);
  return {};
}

}  // namespace

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
