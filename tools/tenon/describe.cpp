#include "tools/tenon/describe.hpp"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "tools/tenon/json_output.hpp"
#include "tools/tenon/progress.hpp"

namespace tenon::cli {
namespace {

std::string bold(std::string_view text, bool color) {
  return color ? "\x1b[1m" + std::string(text) + "\x1b[0m" : std::string(text);
}

std::string pad(std::string text, std::size_t columns) {
  text.resize(std::max(columns, text.size()), ' ');
  return text;
}

void append_lines(std::string& text, std::string_view lines, std::string_view indent) {
  while (!lines.empty()) {
    const std::size_t end = lines.find('\n');
    std::string_view line = lines.substr(0, end);
    while (line.starts_with(' ')) {
      line.remove_prefix(1);
    }
    text += std::string(indent) + std::string(line) + '\n';
    lines.remove_prefix(end == std::string_view::npos ? lines.size() : end + 1);
  }
}

/// Returns the table or enum inside a field's type: "tenon.File" for "[tenon.File]".
std::string_view element_type(std::string_view type) {
  if (type.starts_with('[') && type.ends_with(']')) {
    type = type.substr(1, type.size() - 2);
    type = type.substr(0, type.find(':'));
  }
  return type;
}

/// Returns all types reachable from `roots`, the roots first, each type once.
std::vector<TypeInfo> reachable_types(const Schema& schema, const std::vector<std::string>& roots) {
  std::vector<std::string> names = roots;
  std::set<std::string, std::less<>> seen;
  std::vector<TypeInfo> types;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (!seen.insert(names[i]).second) {
      continue;
    }
    auto type = schema.find_type(names[i]);
    if (!type) {
      continue;
    }
    for (const FieldInfo& field : type->fields) {
      names.emplace_back(element_type(field.type));
    }
    types.push_back(std::move(*type));
  }
  return types;
}

std::vector<std::string> root_types(const Schema& schema, const TaskInfo* task) {
  std::vector<std::string> roots;
  const auto add = [&roots](const std::string& name) {
    if (!name.empty() && std::find(roots.begin(), roots.end(), name) == roots.end()) {
      roots.push_back(name);
    }
  };
  const auto add_task = [&add](const TaskInfo& one) {
    add(one.argument_type);
    add(one.result_type);
    add(one.params_type);
    add(one.checkpoint_type);
  };
  if (task != nullptr) {
    add_task(*task);
  } else {
    for (const TaskInfo& one : schema.tasks()) {
      add_task(one);
    }
    add(schema.settings_type());
  }
  return roots;
}

Json task_json(const TaskInfo& task) {
  Json json;
  json["name"] = task.full_name;
  json["kind"] = kind_name(task.kind);
  json["idempotent"] = task.idempotent;
  json["argument"] = task.argument_type;
  json["result"] = task.result_type;
  if (!task.params_type.empty()) {
    json["params"] = task.params_type;
  }
  if (!task.checkpoint_type.empty()) {
    json["checkpoint"] = task.checkpoint_type;
  }
  json["documentation"] = task.documentation;
  return json;
}

Json plugin_json(const PluginInfo& plugin) {
  Json json;
  json["name"] = plugin.name;
  json["version"] = plugin.version;
  json["file"] = plugin.file.string();
  json["sha256"] = plugin.sha256;
  if (!plugin.libraries.empty()) {
    json["libraries"] = Json::array();
    for (const PluginLibrary& library : plugin.libraries) {
      json["libraries"].push_back({{"name", library.name},
                                   {"file", library.file.string()},
                                   {"sha256", library.sha256},
                                   {"fixed", library.fixed}});
    }
  }
  json["size_bytes"] = plugin.size_bytes;
  json["usable"] = plugin.usable();
  if (plugin.problem) {
    json["problem"] = internal::to_json(*plugin.problem);
  }
  return json;
}

void append_task(std::string& text, const TaskInfo& task, bool color) {
  text += bold(task.full_name, color) + "  " + std::string(kind_name(task.kind));
  text += task.idempotent ? ", idempotent\n" : "\n";
  append_lines(text, task.documentation, "  ");
  const char* argument = task.kind == TaskKind::kReduce ? "  arguments  " : "  argument   ";
  const char* result = task.kind == TaskKind::kSource ? "  results    " : "  result     ";
  text += argument + task.argument_type + '\n';
  if (!task.params_type.empty()) {
    text += "  params     " + task.params_type + '\n';
  }
  text += result + task.result_type + '\n';
  if (!task.checkpoint_type.empty()) {
    text += "  checkpoint " + task.checkpoint_type + '\n';
  }
  text += '\n';
}

void append_type(std::string& text, const TypeInfo& type, bool color) {
  if (!type.enum_values.empty()) {
    text += "enum " + bold(type.name, color) + '\n';
    append_lines(text, type.documentation, "  ");
    text += "  ";
    for (std::size_t i = 0; i < type.enum_values.size(); ++i) {
      text += (i == 0 ? "" : ", ") + type.enum_values[i];
    }
    text += "\n\n";
    return;
  }
  text += "table " + bold(type.name, color) + '\n';
  append_lines(text, type.documentation, "  ");
  std::size_t name_columns = 0;
  for (const FieldInfo& field : type.fields) {
    name_columns = std::max(name_columns, field.name.size());
  }
  for (const FieldInfo& field : type.fields) {
    text += "  " + pad(field.name, name_columns) + "  " + field.type;
    if (!field.default_value.empty()) {
      text += " = " + field.default_value;
    }
    if (field.required) {
      text += ", required";
    }
    if (field.deprecated) {
      text += ", deprecated";
    }
    text += '\n';
    append_lines(text, field.documentation, std::string(name_columns + 6, ' '));
  }
  text += '\n';
}

}  // namespace

std::string_view kind_name(TaskKind kind) noexcept {
  switch (kind) {
    case TaskKind::kPlain:
      return "plain";
    case TaskKind::kSource:
      return "source";
    case TaskKind::kReduce:
      return "reduce";
  }
  return "plain";
}

std::string first_sentence(std::string_view documentation) {
  const auto is_space = [](char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; };
  std::string text;
  bool blank_line = false;
  for (std::size_t i = 0; i < documentation.size() && !blank_line; ++i) {
    if (!is_space(documentation[i])) {
      text += documentation[i];
      continue;
    }
    int lines = 0;
    for (; i < documentation.size() && is_space(documentation[i]); ++i) {
      lines += documentation[i] == '\n' ? 1 : 0;
    }
    --i;
    if (text.empty()) {
      continue;
    }
    // A single letter before the full stop is an abbreviation, as in "e.g.".
    const std::size_t size = text.size();
    const bool stop = text.back() == '.' && !(size >= 3 && (text[size - 3] == '.' || text[size - 3] == ' '));
    blank_line = lines > 1 || stop;
    if (!blank_line) {
      text += ' ';
    }
  }
  while (text.ends_with(' ')) {
    text.pop_back();
  }
  return text;
}

std::string summary_text(const PluginInfo& plugin, bool color, std::size_t columns) {
  std::string text = bold(plugin.name, color);
  if (!plugin.version.empty()) {
    text += ' ' + plugin.version;
  }
  text += "  " + internal::printable(plugin.file.string()) + '\n';
  if (plugin.problem) {
    text += "  cannot be used: " + internal::printable(plugin.problem->message, 2000) + '\n';
  }
  if (!plugin.usable()) {
    return text;
  }
  std::size_t name_columns = 0;
  for (const TaskInfo& task : plugin.schema->tasks()) {
    name_columns = std::max(name_columns, task.full_name.size());
  }
  for (const TaskInfo& task : plugin.schema->tasks()) {
    std::string line = "  " + pad(task.full_name, name_columns) + "  " + pad(std::string(kind_name(task.kind)), 6);
    line += "  " + first_sentence(task.documentation);
    if (columns > 0 && cut_to_columns(line, columns).size() < line.size()) {
      line = cut_to_columns(line, columns - 1) + "\xE2\x80\xA6";
    }
    text += line + '\n';
  }
  return text;
}

Json summary_json(const PluginInfo& plugin) {
  Json json = plugin_json(plugin);
  json["tasks"] = Json::array();
  if (plugin.usable()) {
    for (const TaskInfo& task : plugin.schema->tasks()) {
      json["tasks"].push_back(task_json(task));
    }
  }
  return json;
}

std::string detail_text(const PluginInfo& plugin, const TaskInfo* task, bool color) {
  std::string text = "plugin " + bold(plugin.name, color) + ' ' + plugin.version + '\n';
  text += "  file    " + internal::printable(plugin.file.string()) + '\n';
  text += "  sha256  " + plugin.sha256 + (plugin.libraries.empty() ? "\n" : "  (of the file and its libraries)\n");
  for (const PluginLibrary& library : plugin.libraries) {
    text += "  library  " + internal::printable(library.file.string()) + "  sha256 " + library.sha256 +
            (library.fixed ? "  (needed by a path: an old and a new content cannot run side by side)\n" : "\n");
  }
  if (!plugin.schema) {
    return text;
  }
  if (!plugin.schema->settings_type().empty()) {
    text += "  settings  " + plugin.schema->settings_type() + '\n';
  }
  text += '\n';
  if (task != nullptr) {
    append_task(text, *task, color);
  } else {
    for (const TaskInfo& one : plugin.schema->tasks()) {
      append_task(text, one, color);
    }
  }
  for (const TypeInfo& type : reachable_types(*plugin.schema, root_types(*plugin.schema, task))) {
    append_type(text, type, color);
  }
  text.pop_back();  // Removes the empty line after the last block.
  return text;
}

Json detail_json(const PluginInfo& plugin, const TaskInfo* task) {
  Json json = plugin_json(plugin);
  json["tasks"] = Json::array();
  json["types"] = Json::array();
  if (!plugin.schema) {
    return json;
  }
  if (!plugin.schema->settings_type().empty()) {
    json["settings"] = plugin.schema->settings_type();
  }
  if (task != nullptr) {
    json["tasks"].push_back(task_json(*task));
  } else {
    for (const TaskInfo& one : plugin.schema->tasks()) {
      json["tasks"].push_back(task_json(one));
    }
  }
  for (const TypeInfo& type : reachable_types(*plugin.schema, root_types(*plugin.schema, task))) {
    Json entry;
    entry["name"] = type.name;
    entry["documentation"] = type.documentation;
    if (!type.enum_values.empty()) {
      entry["values"] = type.enum_values;
    } else {
      entry["fields"] = Json::array();
      for (const FieldInfo& field : type.fields) {
        Json one;
        one["name"] = field.name;
        one["type"] = field.type;
        if (!field.default_value.empty()) {
          one["default"] = field.default_value;
        }
        one["required"] = field.required;
        one["deprecated"] = field.deprecated;
        one["documentation"] = field.documentation;
        entry["fields"].push_back(std::move(one));
      }
    }
    json["types"].push_back(std::move(entry));
  }
  return json;
}

}  // namespace tenon::cli
