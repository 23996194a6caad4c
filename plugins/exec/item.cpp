#include "exec/item.hpp"

#include "common/file_name.hpp"
#include "rows/json_text.hpp"

namespace exec {
namespace {

using tenon::plugins::base_name;
using tenon::plugins::dotted_extension;
using tenon::plugins::view;

/// The directory part of a path with its slash; empty if it has none.
std::string_view parent_of(std::string_view path) {
  return path.substr(0, path.size() - base_name(path).size());
}

std::string_view without_extension(std::string_view path) {
  return path.substr(0, path.size() - dotted_extension(path).size());
}

/// The names that GNU parallel gives to an argument and its parts.
std::optional<std::string> part_of(std::string_view text, std::string_view name) {
  if (name.empty()) {
    return std::string(text);
  }
  if (name == ".") {
    return std::string(without_extension(text));
  }
  if (name == "/") {
    return std::string(base_name(text));
  }
  if (name == "/.") {
    return std::string(without_extension(base_name(text)));
  }
  if (name == "//") {
    std::string_view parent = parent_of(text);
    if (parent.empty()) {
      return ".";
    }
    if (parent.size() > 1) {
      parent.remove_suffix(1);
    }
    return std::string(parent);
  }
  return std::nullopt;
}

std::string text_of(const tenon::RecordField& field) {
  // A type without its value is a valid table.
  switch (field.value() == nullptr ? tenon::Scalar::NullValue : field.value_type()) {
    case tenon::Scalar::BoolValue:
      return field.value_as_BoolValue()->value() ? "true" : "false";
    case tenon::Scalar::IntValue:
      return std::to_string(field.value_as_IntValue()->value());
    case tenon::Scalar::FloatValue: {
      std::string text;
      tenon::rows::append_json_number(text, field.value_as_FloatValue()->value());
      return text;
    }
    case tenon::Scalar::TextValue:
      return std::string(view(field.value_as_TextValue()->value()));
    default:
      return {};
  }
}

}  // namespace

std::optional<std::string> value_of(const tenon::File& file, std::string_view name) {
  const std::string_view path = view(file.path());
  if (name == "path") {
    return std::string(path);
  }
  if (name == "relative_path") {
    return std::string(view(file.relative_path()));
  }
  if (name == "name") {
    return std::string(base_name(path));
  }
  if (name == "parent") {
    return std::string(parent_of(path));
  }
  if (name == "stem") {
    return std::string(without_extension(base_name(path)));
  }
  if (name == "extension") {
    return std::string(dotted_extension(path));
  }
  if (name == "size_bytes") {
    return std::to_string(file.size_bytes());
  }
  if (name == "mtime_ns") {
    return std::to_string(file.mtime_ns());
  }
  if (name == "mode") {
    return std::to_string(file.mode());
  }
  return part_of(path, name);
}

std::optional<std::string> value_of(const tenon::Line& line, std::string_view name) {
  if (name == "text") {
    return std::string(view(line.text()));
  }
  if (name == "origin") {
    return std::string(view(line.origin()));
  }
  if (name == "number") {
    return std::to_string(line.number());
  }
  return part_of(view(line.text()), name);
}

std::optional<std::string> value_of(const tenon::Record& record, std::string_view name) {
  if (record.fields() != nullptr) {
    for (const tenon::RecordField* field : *record.fields()) {
      if (view(field->name()) == name) {
        return text_of(*field);
      }
    }
  }
  return std::nullopt;
}

std::string name_of(const tenon::File& file) {
  return std::string(view(file.path()));
}

std::string name_of(const tenon::Line& line) {
  return std::string(view(line.text()));
}

std::string name_of(const tenon::Record&) {
  return {};
}

std::string input_of(const tenon::Line& line) {
  return std::string(view(line.text())) + "\n";
}

std::string input_of(const tenon::Record& record) {
  std::string text;
  tenon::rows::append_json_record(text, record);
  return text + "\n";
}

}  // namespace exec
