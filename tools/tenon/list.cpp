#include <nlohmann/json.hpp>

#include "base/try.hpp"
#include "tools/tenon/command.hpp"
#include "tools/tenon/command_line.hpp"
#include "tools/tenon/describe.hpp"
#include "tools/tenon/json_output.hpp"
#include "tools/tenon/plugin_places.hpp"

namespace tenon::cli {

Outcome<ExitCode> list_command(Context& context, const std::vector<std::string>& arguments) {
  CommandLine line("Lists plugins with their tasks, and why a plugin cannot be used.", "tenon list");
  std::vector<std::string> plugin_dirs;
  LimitOptions limit_options;
  line.add("--plugin-dir", plugin_dirs, "Search this directory for plugins first").type_name("DIR");
  add_limit_options(line, limit_options);
  line.footer("Example:\n  tenon list --json");
  if (auto proceed = line.parse(context, arguments); !proceed || !*proceed) {
    return proceed.map([](bool) { return ExitCode::kDone; });
  }
  TENON_ASSIGN(const auto limits, read_limits(limit_options));
  TENON_ASSIGN(const auto catalog, open_catalog(context.world, plugin_dirs, limits));
  if (context.json) {
    Json document;
    document["plugins"] = Json::array();
    for (const auto& plugin : catalog.plugins()) {
      document["plugins"].push_back(summary_json(*plugin));
    }
    context.output.write(dump(document));
    return ExitCode::kDone;
  }
  if (catalog.plugins().empty()) {
    context.world.write_error("tenon: no plugins found; name their directory with --plugin-dir or TENON_PLUGIN_PATH\n");
  }
  const std::size_t columns = context.world.output_is_terminal ? context.world.output_width() : 0;
  std::string text;
  for (const auto& plugin : catalog.plugins()) {
    text += (text.empty() ? "" : "\n") + summary_text(*plugin, context.color_output, columns);
  }
  context.output.write(text);
  return ExitCode::kDone;
}

}  // namespace tenon::cli
