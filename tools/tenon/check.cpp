#include <CLI/CLI.hpp>

#include "tools/tenon/command.hpp"
#include "tools/tenon/json_output.hpp"
#include "tools/tenon/pipeline_file.hpp"
#include "tools/tenon/plugin_places.hpp"

namespace tenon::cli {

Outcome<ExitCode> check_command(Context& context, const std::vector<std::string>& arguments) {
  CLI::App app("Checks pipeline files, plugins and edge types without running anything.", "tenon check");
  std::vector<std::string> files;
  std::vector<std::string> settings;
  std::vector<std::string> plugin_dirs;
  app.add_option("FILE", files, "Pipeline files")->required();
  app.add_option("--set", settings, "Change a value of the files: key=value, dotted key")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  app.add_option("--plugin-dir", plugin_dirs, "Look for plugins here first")->type_name("DIR")->allow_extra_args(false);
  app.footer("Example:\n  tenon check plugins/files/*.toml");
  if (auto go_on = parse(app, context, arguments); !go_on || !*go_on) {
    return go_on.map([](bool) { return ExitCode::kDone; });
  }
  auto overrides = parse_overrides(settings);
  if (!overrides) {
    return tl::unexpected<Failure>(std::move(overrides.error()));
  }
  for (const std::string& file : files) {
    if (auto there = require_file(file); !there) {
      return tl::unexpected<Failure>(std::move(there.error()));
    }
  }
  auto catalog = open_catalog(context.world, plugin_dirs);
  if (!catalog) {
    return tl::unexpected<Failure>(std::move(catalog.error()));
  }
  LoadOptions options;
  options.overrides = std::move(*overrides);
  auto results = nlohmann::ordered_json::array();
  ExitCode exit = ExitCode::kDone;
  for (const std::string& file : files) {
    Diagnostics diagnostics;
    const auto graph = Graph::load(file, *catalog, options, diagnostics);
    if (!graph) {
      exit = ExitCode::kBadConfiguration;
    }
    if (context.json) {
      nlohmann::ordered_json result;
      result["file"] = file;
      result["ok"] = graph.has_value();
      result["diagnostics"] = nlohmann::ordered_json::parse(diagnostics.to_json(), nullptr, false);
      results.push_back(std::move(result));
      continue;
    }
    context.world.write_error(diagnostics.to_text(context.color_error));
    if (graph) {
      context.output.write(file + ": ok\n");
    }
  }
  if (context.json) {
    nlohmann::ordered_json document;
    document["files"] = std::move(results);
    context.output.write(dump(document));
  }
  return exit;
}

}  // namespace tenon::cli
