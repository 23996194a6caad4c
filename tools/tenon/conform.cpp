#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "base/try.hpp"
#include "plugin/manifest_reader.hpp"
#include "schema/conformity.hpp"
#include "tools/tenon/command.hpp"
#include "tools/tenon/command_line.hpp"
#include "tools/tenon/json_output.hpp"
#include "tools/tenon/pipeline_file.hpp"

namespace tenon::cli {
namespace {

Outcome<internal::Manifest> read_plugin(const std::string& file) {
  TENON_TRY(require_file(file));
  auto manifest = internal::read_manifest(file);
  if (!manifest) {
    return failure(ExitCode::kBadConfiguration, std::move(manifest.error()));
  }
  return std::move(*manifest);
}

Json version_json(const internal::Manifest& plugin, const std::string& file) {
  Json json;
  json["version"] = plugin.version;
  json["file"] = file;
  return json;
}

Json breaks_json(const std::vector<internal::SchemaBreak>& breaks) {
  Json json = Json::array();
  for (const internal::SchemaBreak& found : breaks) {
    Json one;
    if (!found.task.empty()) {
      one["task"] = found.task;
    }
    one["subject"] = internal::subject_name(found.subject);
    one["place"] = found.place;
    one["old"] = found.old_text;
    one["new"] = found.new_text;
    one["advice"] = found.advice;
    json.push_back(std::move(one));
  }
  return json;
}

}  // namespace

Outcome<ExitCode> conform_command(Context& context, const std::vector<std::string>& arguments) {
  CommandLine line(
      "Checks whether a new version of a plugin can replace the old one: whether it still accepts old arguments,\n"
      "its results are still readable and it still opens old checkpoints. No code of the plugins runs.",
      "tenon conform");
  std::string old_file;
  std::string new_file;
  line.add("OLD", old_file, "Plugin file of the old version").required();
  line.add("NEW", new_file, "Plugin file of the new version").required();
  line.footer(
      "Each break is reported with task, table, field, old and new type, and what to do instead. The exit code is 0\n"
      "if there is none, 1 if there is one, 2 if a file cannot be found, 78 if it is not a plugin.\n\n"
      "Example:\n  tenon conform /usr/lib/tenon/plugins/image.so build/plugins/image.so");
  if (auto proceed = line.parse(context, arguments); !proceed || !*proceed) {
    return proceed.map([](bool) { return ExitCode::kDone; });
  }
  TENON_ASSIGN(const auto before, read_plugin(old_file));
  TENON_ASSIGN(const auto now, read_plugin(new_file));
  if (before.name != now.name) {
    return usage_failure(
        "'" + before.name + "' and '" + now.name + "' are different plugins, not two versions of one plugin",
        "name the files of an old and a new version of the same plugin");
  }
  const auto breaks = internal::check_conformity(*before.parsed_schema, *now.parsed_schema);
  if (context.json) {
    Json document;
    document["plugin"] = now.name;
    document["old"] = version_json(before, old_file);
    document["new"] = version_json(now, new_file);
    document["conforms"] = breaks.empty();
    document["breaks"] = breaks_json(breaks);
    context.output.write(dump(document));
  } else {
    for (const internal::SchemaBreak& found : breaks) {
      context.output.write(found.to_string() + '\n');
    }
    const std::string verdict =
        breaks.empty() ? " conforms to " : " has " + internal::count_of(breaks.size(), "break", "breaks") + " with ";
    context.output.write(now.name + ' ' + now.version + verdict + before.version + '\n');
  }
  return breaks.empty() ? ExitCode::kDone : ExitCode::kFailed;
}

}  // namespace tenon::cli
