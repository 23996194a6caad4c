#include <algorithm>

#include <nlohmann/json.hpp>

#include "base/try.hpp"
#include "pipeline/plugin_dirs.hpp"
#include "pipeline/report_json.hpp"
#include "tools/tenon/command.hpp"
#include "tools/tenon/command_line.hpp"
#include "tools/tenon/json_output.hpp"
#include "tools/tenon/pipeline_file.hpp"
#include "tools/tenon/plugin_places.hpp"
#include "tools/tenon/staged_plugins.hpp"

namespace tenon::cli {
namespace {

/// Returns `shared`, or a separate catalog for a file that names plugin directories. Errors: the
/// file does not exist; those of open_catalog.
Outcome<Catalog> catalog_for(Context& context, const std::string& file, const std::vector<std::string>& plugin_dirs,
                             const LoadOptions& options, const CatalogLimits& limits, const Catalog& shared) {
  TENON_TRY(require_file(file));
  const auto of_file = internal::read_plugin_dirs(file, options);
  return of_file.empty() ? Outcome<Catalog>(shared) : open_catalog(context.world, plugin_dirs, limits, of_file);
}

}  // namespace

Outcome<ExitCode> check_command(Context& context, const std::vector<std::string>& arguments) {
  CommandLine line("Checks pipeline files, plugins and edge types without running anything.", "tenon check");
  std::vector<std::string> files;
  std::vector<std::string> settings;
  std::vector<std::string> plugin_dirs;
  LimitOptions limit_options;
  line.add("FILE", files, "Pipeline files").required();
  line.add("--set", settings, "Change a value of the files: key=value, dotted key").type_name("KEY=VALUE");
  line.add("--plugin-dir", plugin_dirs, "Search this directory for plugins first").type_name("DIR");
  add_limit_options(line, limit_options);
  std::string store;
  line.add("--store", store, "The plugin store whose quarantine applies; default: $XDG_CACHE_HOME/tenon/store")
      .type_name("DIR");
  line.footer(
      "The tests of a pipeline are checked too: those of the file, and of NAME.test.toml beside NAME.toml.\n"
      "Every file is checked, even if others have errors. The exit code is that of the worst file: 0 all are valid,\n"
      "2 one cannot be found, 78 one has errors.\n\n"
      "Example:\n  tenon check plugins/files/*.toml");
  if (auto proceed = line.parse(context, arguments); !proceed || !*proceed) {
    return proceed.map([](bool) { return ExitCode::kDone; });
  }
  TENON_ASSIGN(auto overrides, parse_overrides(settings));
  TENON_ASSIGN(auto limits, read_limits(limit_options));
  LoadOptions options;
  options.overrides = std::move(overrides);
  options.streams = true;
  options.standard_streams = true;
  for (const std::string& file : files) {
    limits.add_file(tested_file(file).pipeline, options);
  }
  TENON_ASSIGN(const auto shared_catalog, open_catalog(context.world, plugin_dirs, limits));
  CatalogOptions inspection;
  inspection.limits = limits.usual;
  inspection.limits_of = limits.of;
  auto results = Json::array();
  ExitCode exit = ExitCode::kDone;
  const auto worsen = [&exit](ExitCode other) { exit = std::max(exit, other); };
  for (const std::string& file : files) {
    if (context.world.interrupts->load(std::memory_order_relaxed) > 0) {
      return ExitCode::kInterrupted;
    }
    const TestedFile tested = tested_file(file);
    LoadOptions load = options;
    load.test_file = tested.tests;
    auto catalog = catalog_for(context, tested.pipeline, plugin_dirs, options, limits, shared_catalog);
    if (!catalog) {
      const auto& there = catalog;
      worsen(there.error().exit);
      if (context.json) {
        Json result;
        result["file"] = file;
        result["ok"] = false;
        result["error"] = internal::to_json(there.error().error);
        results.push_back(std::move(result));
      } else {
        context.world.write_error(to_text(there.error(), context.color_error));
      }
      continue;
    }
    Diagnostics diagnostics;
    const auto graph =
        Graph::load(tested.pipeline, without_quarantined(*catalog, store, inspection), load, diagnostics);
    if (!graph) {
      worsen(ExitCode::kBadConfiguration);
    }
    if (context.json) {
      Json result;
      result["file"] = file;
      result["ok"] = graph.has_value();
      result["diagnostics"] = internal::to_json(diagnostics);
      results.push_back(std::move(result));
      continue;
    }
    context.world.write_error(diagnostics.to_text(context.color_error));
    if (graph) {
      context.output.write(file + ": ok\n");
    }
  }
  if (context.json) {
    Json document;
    document["files"] = std::move(results);
    context.output.write(dump(document));
  }
  return exit;
}

}  // namespace tenon::cli
