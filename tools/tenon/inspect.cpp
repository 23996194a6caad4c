#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "base/try.hpp"
#include "tools/tenon/command.hpp"
#include "tools/tenon/command_line.hpp"
#include "tools/tenon/describe.hpp"
#include "tools/tenon/json_output.hpp"
#include "tools/tenon/plugin_places.hpp"

namespace tenon::cli {

Outcome<ExitCode> inspect_command(Context& context, const std::vector<std::string>& arguments) {
  CommandLine line("Shows documentation and types of a plugin, or of one of its tasks.", "tenon inspect");
  std::string name;
  std::vector<std::string> plugin_dirs;
  LimitOptions limit_options;
  line.add("NAME", name, "PLUGIN or PLUGIN.TASK").required();
  line.add("--plugin-dir", plugin_dirs, "Search this directory for plugins first").type_name("DIR");
  add_limit_options(line, limit_options);
  line.footer("Example:\n  tenon inspect text.count");
  if (auto proceed = line.parse(context, arguments); !proceed || !*proceed) {
    return proceed.map([](bool) { return ExitCode::kDone; });
  }
  TENON_ASSIGN(const auto limits, read_limits(limit_options));
  TENON_ASSIGN(const auto catalog, open_catalog(context.world, plugin_dirs, limits));
  std::shared_ptr<const PluginInfo> plugin;
  const TaskInfo* task = nullptr;
  if (name.find('.') != std::string::npos) {
    TENON_ASSIGN(const auto found, find_task(catalog, name));
    plugin = found.plugin;
    task = found.task;
  } else {
    plugin = catalog.find_plugin(name);
  }
  if (plugin == nullptr) {
    std::vector<std::string> names;
    for (const auto& known : catalog.plugins()) {
      if (known->name == name && known->problem) {
        return failure(ExitCode::kBadConfiguration, *known->problem);
      }
      names.push_back(known->name);
    }
    std::string hint = internal::did_you_mean(name, names, 1);
    return failure(ExitCode::kUsage,
                   Error{ErrorCode::kNotFound, "there is no plugin '" + internal::printable(name) + "'", {}},
                   hint.empty() ? "'tenon list' shows all plugins" : std::move(hint));
  }
  context.output.write(context.json ? dump(detail_json(*plugin, task))
                                    : detail_text(*plugin, task, context.color_output));
  return ExitCode::kDone;
}

}  // namespace tenon::cli
