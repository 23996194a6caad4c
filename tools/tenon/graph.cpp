#include "base/text.hpp"
#include "base/try.hpp"
#include "pipeline/plugin_dirs.hpp"
#include "tools/tenon/command.hpp"
#include "tools/tenon/command_line.hpp"
#include "tools/tenon/pipeline_file.hpp"
#include "tools/tenon/plugin_places.hpp"

namespace tenon::cli {

Outcome<ExitCode> graph_command(Context& context, const std::vector<std::string>& arguments) {
  CommandLine line("Prints the graph of a pipeline.", "tenon graph");
  std::string file;
  std::string format = context.json ? "json" : "dot";
  std::vector<std::string> settings;
  std::vector<std::string> plugin_dirs;
  line.add("FILE", file, "Pipeline file").required();
  line.add("--format", format, "Graphviz, Mermaid or JSON").type_name("dot|mermaid|json");
  line.add("--set", settings, "Change a value of the file: key=value, dotted key").type_name("KEY=VALUE");
  LimitOptions limit_options;
  line.add("--plugin-dir", plugin_dirs, "Search this directory for plugins first").type_name("DIR");
  add_limit_options(line, limit_options);
  line.footer("Example:\n  tenon graph plugins/files/inventory.toml --format dot | dot -Tsvg > inventory.svg");
  if (auto proceed = line.parse(context, arguments); !proceed || !*proceed) {
    return proceed.map([](bool) { return ExitCode::kDone; });
  }
  GraphFormat graph_format = GraphFormat::kDot;
  if (format == "mermaid") {
    graph_format = GraphFormat::kMermaid;
  } else if (format == "json") {
    graph_format = GraphFormat::kJson;
  } else if (format != "dot") {
    static const std::vector<std::string> kFormats = {"dot", "mermaid", "json"};
    return usage_failure("--format takes dot, mermaid or json, not '" + internal::printable(format) + "'",
                         internal::did_you_mean(format, kFormats, 1));
  }
  TENON_ASSIGN(auto overrides, parse_overrides(settings));
  TENON_TRY(require_file(file));
  LoadOptions options;
  options.overrides = std::move(overrides);
  options.streams = true;
  options.standard_streams = true;
  TENON_ASSIGN(auto limits, read_limits(limit_options));
  limits.add_file(file, options);
  TENON_ASSIGN(const auto catalog,
               open_catalog(context.world, plugin_dirs, limits, internal::read_plugin_dirs(file, options)));
  Diagnostics diagnostics;
  const auto graph = Graph::load(file, catalog, options, diagnostics);
  if (!graph) {
    write_errors(context, diagnostics);
    return ExitCode::kBadConfiguration;
  }
  context.world.write_error(diagnostics.to_text(context.color_error));  // Writes warnings.
  std::string text = graph->to_text(graph_format);
  if (!text.ends_with('\n')) {
    text += '\n';
  }
  context.output.write(text);
  return ExitCode::kDone;
}

}  // namespace tenon::cli
