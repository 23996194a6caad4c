#include "pipeline/output_directories.hpp"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

namespace tenon::internal {
namespace {

namespace fs = std::filesystem;

/// Returns an absolute path without links and "..", as far as the file system can resolve it now.
std::string settled_path(const std::string& written) {
  std::error_code failed;
  const fs::path absolute = fs::absolute(written, failed);
  if (failed) {
    return written;
  }
  fs::path settled = fs::weakly_canonical(absolute, failed);
  if (failed) {
    settled = absolute.lexically_normal();
  }
  return settled.has_filename() ? settled.string() : settled.parent_path().string();
}

/// Returns whether `path` is inside `directory`. Both must be settled.
bool is_below(std::string_view path, std::string_view directory) {
  if (directory == "/") {
    return path.size() > 1;
  }
  return path.size() > directory.size() && path.starts_with(directory) && path[directory.size()] == '/';
}

/// Returns the location of a key of a table, or `otherwise` if the table does not have it.
Place place_of(const Entry* table, const std::string& key, const Place& otherwise) {
  const Entry* const found = table == nullptr ? nullptr : table->value.find(key);
  return found == nullptr ? otherwise : found->value.place;
}

}  // namespace

void OutputDirectories::add(const NodeDeclaration& node, const ResolvedTask& task, PlanNode& plan) {
  if (!task.files.output_directory.empty() && !plan.params.empty()) {
    const auto reader = directory_.field_reader(task.plugin, task.info.params_type, task.files.output_directory);
    const auto written = reader ? (*reader)(plan.params) : Result<std::string>(std::string());
    if (written && !written->empty()) {
      outputs_.push_back({node.name, *written, settled_path(*written),
                          place_of(node.params, task.files.output_directory, node.place)});
    }
  }
  add_naming(node, task, plan);
}

void OutputDirectories::add_naming(const NodeDeclaration& node, const ResolvedTask& task, PlanNode& plan) {
  if (task.files.output_name.empty()) {
    const auto refuse = [&](const Place& place, const char* key) {
      reporter_.error(place,
                      std::string("'") + key + "' does not apply: '" + task.info.full_name +
                          "' does not declare that it writes files",
                      "only a task with the attribute output_name does, such as files.write");
    };
    if (node.output_name) {
      refuse(node.output_name->place, "output_name");
    }
    if (node.on_conflict) {
      refuse(node.on_conflict->place, "on_conflict");
    }
    return;
  }
  if (plan.kind != NodeKind::kMap && plan.kind != NodeKind::kSink) {
    return;
  }
  const std::string& type = task.info.argument_type;
  auto name = directory_.field_reader(task.plugin, type, task.files.output_name);
  auto rename = directory_.renamer(task.plugin, type, task.files.output_name);
  if (!name || !rename) {
    reporter_.error(node.place, "the files of '" + node.name +
                                    "' cannot be named: " + (name ? rename.error() : name.error()).message);
    return;
  }
  OutputNaming naming;
  if (!outputs_.empty() && outputs_.back().node == node.name) {
    naming.directory = outputs_.back().path;
    naming.shown_directory = outputs_.back().written;
  }
  naming.name = std::move(*name);
  naming.rename = std::move(*rename);
  if (auto path = directory_.field_reader(task.plugin, type, "path"); path && task.files.output_name != "path") {
    naming.path = std::move(*path);
  }
  if (node.on_conflict) {
    naming.on_conflict = node.on_conflict->value;
  }
  if (node.output_name) {
    auto pattern = NameTemplate::parse(node.output_name->value, [&](const std::string& field) {
      return directory_.field_reader(task.plugin, type, field);
    });
    if (!pattern) {
      reporter_.error(node.output_name->place, "'output_name': " + pattern.error().message,
                      "it takes {parent}, {stem}, {extension}, {name}, {index} and fields of " + type);
      return;
    }
    if (pattern->empty()) {
      reporter_.error(node.output_name->place, "'output_name' is empty", "leave it out to keep the items' own names");
      return;
    }
    naming.pattern = std::move(*pattern);
  }
  plan.naming = std::move(naming);
}

bool OutputDirectories::says_what_to_leave_out(const NodeDeclaration& source, const ResolvedTask& task) {
  return source.args != nullptr && source.args->value.find(task.files.left_out) != nullptr;
}

std::optional<Entry> OutputDirectories::extend_args(const NodeDeclaration& source, const ResolvedTask& task) const {
  if (task.files.left_out.empty() || outputs_.empty() || says_what_to_leave_out(source, task)) {
    return std::nullopt;
  }
  Entry args;
  if (source.args != nullptr) {
    args = *source.args;
  } else {
    args.key = "args";
    args.place = source.place;
    args.value.place = source.place;
  }
  Value list;
  list.kind = Value::Kind::kArray;
  list.place = args.place;
  for (const Output& output : outputs_) {
    const bool known = std::any_of(list.elements.begin(), list.elements.end(),
                                   [&](const Value& other) { return other.text == output.path; });
    if (!known) {
      Value path;
      path.kind = Value::Kind::kString;
      path.place = args.place;
      path.text = output.path;
      list.elements.push_back(std::move(path));
    }
  }
  args.value.entries.push_back({task.files.left_out, args.place, std::move(list)});
  return args;
}

void OutputDirectories::check_source(const NodeDeclaration& source, const ResolvedTask& task, const Buffer& argument) {
  if (task.files.input_directory.empty() || outputs_.empty() || says_what_to_leave_out(source, task)) {
    return;
  }
  const auto reader = directory_.field_reader(task.plugin, task.info.argument_type, task.files.input_directory);
  const auto written = reader ? (*reader)(argument) : Result<std::string>(std::string());
  if (!written || written->empty()) {
    return;
  }
  const std::string root = settled_path(*written);
  for (const Output& output : outputs_) {
    const std::string what = "'" + output.node + "' writes to '" + output.written + "', ";
    if (output.path == root) {
      reporter_.warning(
          output.place,
          what + "the same directory that '" + source.name + "' reads: a later run would read its files as input",
          "choose a separate directory");
    } else if (is_below(output.path, root) && !task.files.left_out.empty()) {
      reporter_.warning(
          output.place,
          what + "which is inside the directory that '" + source.name + "' reads ('" + *written + "'); '" +
              source.name + "' skips it",
          "to read it as well, write " + task.files.left_out + " = [] in the args of '" + source.name + "'");
    } else if (is_below(output.path, root)) {
      reporter_.warning(output.place,
                        what + "which is inside the directory that '" + source.name + "' reads ('" + *written +
                            "'): a later run would read its files as input",
                        "choose a directory outside of it");
    }
  }
}

}  // namespace tenon::internal
