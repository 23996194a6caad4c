/// A directory of tasks without plugin files. Items and encoded tables are text, so that tests can
/// read them.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "pipeline/item_field.hpp"
#include "pipeline/scalar_type.hpp"
#include "pipeline/task_directory.hpp"

namespace tenon::test {

class FakeDirectory final : public internal::TaskDirectory {
 public:
  /// Has the plugins `files`, `text`, `tenon`, `other` (whose tenon.File differs) and `broken` (not
  /// usable).
  FakeDirectory() {
    add_type("files.WalkArgs", {field("root", "string", true), field("globs", "[string]"), field("follow", "bool"),
                                field("depth", "uint8"), field("magic", "[ubyte]"), field("inner", "files.Inner")});
    add_type("files.Inner", {field("ratio", "float64"), field("shift", "int16"), field("large", "uint64")});
    add_type("files.DigestParams", {field("algorithm", "files.Algorithm"), field("level", "uint8")});
    add_enum("files.Algorithm", {"sha256", "blake2b"});
    add_type("files.Settings", {field("threads", "uint32")});
    add_type("tenon.File", {field("path", "string", true), field("kind", "tenon.FileKind"), field("size", "uint64")});
    add_enum("tenon.FileKind", {"Regular", "Directory"});
    add_type("tenon.Digest", {field("file", "tenon.File", true), field("hex", "string")});
    add_type("tenon.Line", {field("text", "string"), field("origin", "string"), field("number", "uint64")});
    add_type("tenon.Number", {field("value", "int64"), field("group", "string")});
    add_type("tenon.Count", {field("first", "int64"), field("count", "uint64")});
    add_type("tenon.Record", {field("fields", "[tenon.RecordField]")});
    add_type("tenon.Empty", {});
    add_type("tenon.Any", {});
    add_type("text.GrepParams", {field("pattern", "string", true)});

    Plugin files = plugin("files", "1.2.0");
    files.settings_type = "files.Settings";
    add_plugin(files);
    add_task("files", "walk", TaskKind::kSource, "files.WalkArgs", "tenon.File");
    add_task("files", "digest", TaskKind::kPlain, "tenon.File", "tenon.Digest", "files.DigestParams");
    add_task("files", "report", TaskKind::kReduce, "tenon.Digest", "tenon.File");
    add_task("files", "write", TaskKind::kPlain, "tenon.File", "tenon.Empty");
    add_plugin(plugin("text", "2.0.1"));
    add_task("text", "lines", TaskKind::kPlain, "tenon.File", "tenon.Line");
    add_task("text", "grep", TaskKind::kPlain, "tenon.Line", "tenon.Line", "text.GrepParams");
    add_plugin(plugin("tenon", "0.1.0"));
    add_task("tenon", "numbers", TaskKind::kSource, "tenon.Count", "tenon.Number");
    add_task("tenon", "echo", TaskKind::kPlain, "tenon.Any", "tenon.Any");
    add_task("tenon", "discard", TaskKind::kPlain, "tenon.Any", "tenon.Empty");
    add_task("tenon", "show", TaskKind::kPlain, "tenon.Record", "tenon.Record");
    add_task("tenon", "double", TaskKind::kPlain, "tenon.Number", "tenon.Number");
    add_task("tenon", "sum", TaskKind::kReduce, "tenon.Number", "tenon.Number");
    add_plugin(plugin("other", "1.0.0"));
    add_task("other", "show", TaskKind::kPlain, "tenon.File", "tenon.File");
    add_type("other.Place", {field("root", "string"), field("left_out", "[string]")});
    add_type("other.SaveParams", {field("directory", "string")});
    add_type("other.Values", {field("small", "uint8"), field("flag", "bool"), field("ratio", "float64"),
                              field("maybe", "int16"), field("any", "other.Union")});
    types_["other.Values"].fields[3].default_value = "null";
    add_type("other.Sample",
             {field("small", "uint8"), field("delta", "int16"), field("large", "uint64"), field("flag", "bool"),
              field("ratio", "float64"), field("maybe", "int16"), field("word", "string"),
              field("kind", "tenon.FileKind"), field("blob", "[ubyte]"), field("inner", "files.Inner")});
    types_["other.Sample"].fields[5].default_value = "null";
    add_enum("other.Union", {"NONE", "Left", "Right"});
    add_task("other", "scan_numbers", TaskKind::kSource, "other.Place", "tenon.Number");
    files_["other.scan_numbers"] = {"", "", "root", "left_out"};
    add_task("other", "save", TaskKind::kPlain, "tenon.Number", "tenon.Empty", "other.SaveParams");
    add_task("other", "split", TaskKind::kSource, "tenon.Number", "tenon.Number");
    files_["other.save"] = {"group", "directory", "", ""};
    add_task("other", "values_numbers", TaskKind::kSource, "other.Values", "other.Values");
    Plugin broken = plugin("broken", "");
    broken.problem = "the file is truncated";
    add_plugin(broken);
  }

  std::vector<std::string> plugin_names() const override {
    std::vector<std::string> names;
    for (const auto& [name, plugin] : plugins_) {
      names.push_back(name);
    }
    return names;
  }
  std::optional<Plugin> find_plugin(std::string_view name) const override {
    const auto found = plugins_.find(std::string(name));
    return found == plugins_.end() ? std::nullopt : std::optional<Plugin>(found->second);
  }
  std::optional<TaskInfo> find_task(std::string_view plugin, std::string_view method) const override {
    const auto found = tasks_.find(std::string(plugin) + "." + std::string(method));
    return found == tasks_.end() ? std::nullopt : std::optional<TaskInfo>(found->second);
  }
  std::optional<TypeInfo> find_type(std::string_view, std::string_view type) const override {
    const auto found = types_.find(std::string(type));
    return found == types_.end() ? std::nullopt : std::optional<TypeInfo>(found->second);
  }
  internal::TaskFiles find_files(std::string_view plugin, std::string_view method) const override {
    const auto found = files_.find(std::string(plugin) + "." + std::string(method));
    return found == files_.end() ? internal::TaskFiles() : found->second;
  }
  std::optional<std::vector<std::string>> union_members(std::string_view, std::string_view type) const override {
    return type == "other.Union" ? std::optional(std::vector<std::string>{"Left", "Right"}) : std::nullopt;
  }
  Result<internal::ItemRenamer> renamer(std::string_view, std::string_view, std::string_view field) const override {
    return internal::ItemRenamer([field = std::string(field)](BytesView item, std::string_view value) {
      std::string text(item.begin(), item.end());
      const std::size_t begin = text.find(field + "=") + field.size() + 1;
      text.replace(begin, text.find(';', begin) - begin, value);
      return Result<Buffer>(Buffer(text.begin(), text.end()));
    });
  }
  /// The tree as JSON text; a string or name with "refuse" in it is an error at its location.
  Result<Buffer> encode(std::string_view, std::string_view, const internal::JsonValue& tree,
                        internal::TreeProblem& problem) const override {
    std::string text;
    if (!append(text, tree, problem)) {
      return fail(ErrorCode::kInvalidArgument, problem.to_string());
    }
    return Buffer(text.begin(), text.end());
  }
  Result<void> check_readable(std::string_view writer, std::string_view type, std::string_view reader,
                              std::string_view) const override {
    if (type == "tenon.File" && (writer == "other" || reader == "other")) {
      return fail(ErrorCode::kIncompatible, "field 'path' is a string in one and a number in the other");
    }
    return {};
  }
  /// Reads items of the form "field=value;field=value".
  Result<internal::ItemReader> field_reader(std::string_view, std::string_view type,
                                            std::string_view path) const override {
    const TypeInfo* at = &types_.at(std::string(type));
    std::string_view rest = path;
    while (true) {
      const std::size_t dot = rest.find('.');
      const FieldInfo* found = nullptr;
      for (const FieldInfo& one : at->fields) {
        found = one.name == rest.substr(0, dot) ? &one : found;
      }
      if (found == nullptr) {
        return fail(ErrorCode::kNotFound, "no field");
      }
      const auto inner = types_.find(found->type);
      const bool table = inner != types_.end() && inner->second.enum_values.empty();
      if (dot == std::string_view::npos) {
        if (table) {
          return fail(ErrorCode::kInvalidArgument, "field '" + std::string(path) + "' is a table");
        }
        return reader_of(std::string(path));
      }
      if (!table) {
        return fail(ErrorCode::kNotFound, "no field");
      }
      at = &inner->second;
      rest.remove_prefix(dot + 1);
    }
  }

  Result<internal::ItemFieldPointer> item_field(std::string_view, std::string_view type,
                                                std::string_view path) const override {
    const TypeInfo* at = &types_.at(std::string(type));
    bool certain = true;
    for (std::string_view rest = path;;) {
      const std::size_t dot = rest.find('.');
      const auto found = std::find_if(at->fields.begin(), at->fields.end(),
                                      [&](const FieldInfo& one) { return one.name == rest.substr(0, dot); });
      if (found == at->fields.end()) {
        return fail(ErrorCode::kNotFound, "no field");
      }
      const auto inner = types_.find(found->type);
      if (dot == std::string_view::npos) {
        internal::FieldShape shape = shape_of(*found, inner == types_.end() ? nullptr : &inner->second);
        const bool scalar = shape.kind != internal::FieldKind::kText && shape.kind != internal::FieldKind::kOther;
        shape.always_present = certain && (found->required || (scalar && !shape.optional));
        return std::make_shared<TextField>(std::string(path), std::move(shape));
      }
      if (inner == types_.end() || !inner->second.enum_values.empty()) {
        return fail(ErrorCode::kInvalidArgument,
                    "'" + found->name + "' is " + found->type + ", which has no fields that a path can name");
      }
      certain = certain && found->required;
      at = &inner->second;
      rest.remove_prefix(dot + 1);
    }
  }
  /// Returns the reader of field_reader, for tests of the engine.
  static internal::ItemReader reader_of(std::string name) {
    return [name = std::move(name)](BytesView item) -> Result<std::string> {
      const std::string text(item.begin(), item.end());
      if (text.find("corrupt") != std::string::npos) {
        return fail(ErrorCode::kCorrupt, "the item does not verify");
      }
      if (text.starts_with("{")) {  // Params and arguments, as `encode` makes them.
        const std::string key = "\"" + name + "\": \"";
        const std::size_t value = text.find(key);
        return value == std::string::npos
                   ? std::string()
                   : text.substr(value + key.size(), text.find('"', value + key.size()) - value - key.size());
      }
      const std::size_t at = text.find(name + "=");
      if (at == std::string::npos) {
        return std::string();
      }
      const std::size_t begin = at + name.size() + 1;
      return text.substr(begin, text.find(';', begin) - begin);
    };
  }

 private:
  static bool append_string(std::string& out, const std::string& text, std::size_t offset,
                            internal::TreeProblem& problem) {
    if (text.find("refuse") != std::string::npos) {
      problem = {offset, "", "the schema refuses it", ""};
      return false;
    }
    out += nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    return true;
  }
  static bool append(std::string& out, const internal::JsonValue& value, internal::TreeProblem& problem) {
    if (const auto* text = value.get_if<std::string>()) {
      return append_string(out, *text, value.offset, problem);
    }
    if (const auto* items = value.get_if<internal::JsonArray>()) {
      out += '[';
      for (const internal::JsonValue& item : *items) {
        out += out.back() == '[' ? "" : ",";
        if (!append(out, item, problem)) {
          return false;
        }
      }
      out += ']';
      return true;
    }
    if (const auto* members = value.get_if<internal::JsonObject>()) {
      out += '{';
      for (const auto& [key, member] : *members) {
        out += out.back() == '{' ? "" : ",";
        if (!append_string(out, key.name, key.offset, problem)) {
          return false;
        }
        out += ": ";
        if (!append(out, member, problem)) {
          return false;
        }
      }
      out += '}';
      return true;
    }
    if (const auto* boolean = value.get_if<bool>()) {
      out += *boolean ? "true" : "false";
    } else if (const auto* integer = value.get_if<std::int64_t>()) {
      out += std::to_string(*integer);
    } else if (const auto* natural = value.get_if<std::uint64_t>()) {
      out += std::to_string(*natural);
    } else if (const auto* real = value.get_if<double>()) {
      out += nlohmann::json(*real).dump();
    }
    return true;
  }
  /// A field of a text such as "value=7;group=g1".
  class TextField final : public internal::ItemField {
   public:
    TextField(std::string name, internal::FieldShape shape) : name_(std::move(name)), shape_(std::move(shape)) {}
    const internal::FieldShape& shape() const noexcept override { return shape_; }
    bool read(const internal::Item& item, internal::FieldValue& value) const override {
      const BytesView bytes = item.reply.bytes();
      const std::string_view all(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      value = {};
      if (all.find("corrupt") != std::string_view::npos) {
        return false;
      }
      const std::size_t at = all.find(name_ + "=");
      if (at == std::string_view::npos) {
        value.present = shape_.always_present;
        return true;
      }
      const std::size_t begin = at + name_.size() + 1;
      const std::string_view text = all.substr(begin, all.find(';', begin) - begin);
      value.present = true;
      value.text = text;
      switch (shape_.kind) {
        case internal::FieldKind::kBool:
          value.integer = text == "true" ? 1 : 0;
          break;
        case internal::FieldKind::kNatural:
          value.integer = static_cast<std::int64_t>(std::stoull(std::string(text)));
          break;
        case internal::FieldKind::kInteger:
          value.integer = std::stoll(std::string(text));
          break;
        case internal::FieldKind::kReal:
          value.real = std::stod(std::string(text));
          break;
        case internal::FieldKind::kEnum:
          for (const auto& [name, number] : shape_.names) {
            value.integer = name == text ? number : value.integer;
          }
          break;
        default:
          break;
      }
      return true;
    }

   private:
    std::string name_;
    internal::FieldShape shape_;
  };

  static internal::FieldShape shape_of(const FieldInfo& field, const TypeInfo* named) {
    internal::FieldShape shape;
    shape.type = field.type;
    shape.optional = field.default_value == "null";
    if (named != nullptr && !named->enum_values.empty()) {
      shape.kind = internal::FieldKind::kEnum;
      for (const std::string& name : named->enum_values) {
        shape.names.emplace_back(name, static_cast<std::int64_t>(shape.names.size()));
      }
    } else if (const internal::ScalarType* scalar = internal::find_scalar(field.type)) {
      shape.kind = scalar->real        ? internal::FieldKind::kReal
                   : scalar->least < 0 ? internal::FieldKind::kInteger
                                       : internal::FieldKind::kNatural;
      shape.least = scalar->least;
      shape.most = scalar->most;
      shape.single_precision = scalar->single_precision;
    } else if (field.type == "bool") {
      shape.kind = internal::FieldKind::kBool;
    } else if (field.type == "string") {
      shape.kind = internal::FieldKind::kText;
    }
    return shape;
  }

  static FieldInfo field(std::string name, std::string type, bool required = false) {
    FieldInfo info;
    info.name = std::move(name);
    info.type = std::move(type);
    info.required = required;
    return info;
  }
  static Plugin plugin(std::string name, std::string version) {
    Plugin out;
    out.name = std::move(name);
    out.version = std::move(version);
    return out;
  }
  void add_plugin(Plugin plugin) { plugins_[plugin.name] = std::move(plugin); }
  void add_type(const std::string& name, std::vector<FieldInfo> fields) {
    TypeInfo type;
    type.name = name;
    type.fields = std::move(fields);
    types_[name] = std::move(type);
  }
  void add_enum(const std::string& name, std::vector<std::string> values) {
    TypeInfo type;
    type.name = name;
    type.enum_values = std::move(values);
    types_[name] = std::move(type);
  }
  void add_task(const std::string& plugin, const std::string& name, TaskKind kind, std::string argument,
                std::string result, std::string params = {}) {
    TaskInfo task;
    task.name = name;
    task.full_name = plugin + "." + name;
    task.kind = kind;
    task.argument_type = std::move(argument);
    task.result_type = std::move(result);
    task.params_type = std::move(params);
    tasks_[task.full_name] = std::move(task);
    plugins_[plugin].tasks.push_back(name);
  }

  std::map<std::string, Plugin> plugins_;
  std::map<std::string, TaskInfo> tasks_;
  std::map<std::string, internal::TaskFiles> files_;
  std::map<std::string, TypeInfo> types_;
};

}  // namespace tenon::test
