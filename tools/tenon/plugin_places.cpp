#include "tools/tenon/plugin_places.hpp"

#include <algorithm>
#include <system_error>
#include <utility>

#include "base/text.hpp"
#include "base/try.hpp"
#include "pipeline/plugin_limits.hpp"
#include "pipeline/quantity.hpp"
#include "platform/environment.hpp"
#include "tools/tenon/python_plugins.hpp"

namespace tenon::cli {
namespace fs = std::filesystem;

Outcome<std::vector<fs::path>> plugin_places(const World& world, const std::vector<std::string>& asked,
                                             const std::vector<fs::path>& of_file) {
  std::vector<fs::path> places;
  const auto add = [&places](const fs::path& place) {
    if (std::find(places.begin(), places.end(), place) == places.end()) {
      places.push_back(place);
    }
  };
  for (const std::string& place : asked) {
    std::error_code failed;
    if (!fs::is_directory(place, failed)) {
      if (failed == std::errc::permission_denied) {
        return usage_failure("--plugin-dir: cannot access '" + internal::printable(place) + "': " + failed.message());
      }
      return usage_failure("--plugin-dir: there is no directory '" + internal::printable(place) + "'");
    }
    add(place);
  }
  for (const fs::path& place : of_file) {
    std::error_code ignored;
    if (!fs::is_directory(place, ignored)) {
      return failure(
          ExitCode::kBadConfiguration,
          Error{ErrorCode::kNotFound,
                "plugin_dirs of the pipeline: there is no directory '" + internal::printable(place.string()) + "'",
                {}},
          "relative ones are relative to the pipeline file");
    }
    add(place);
  }
  const auto add_existing = [&add](const fs::path& place) {
    std::error_code ignored;
    if (fs::is_directory(place, ignored)) {
      add(place);
    }
  };
  for (const fs::path& place : internal::split_search_path(world.variable("TENON_PLUGIN_PATH").value_or(""))) {
    add_existing(place);
  }
  if (!world.executable.empty()) {
    const fs::path prefix = world.executable.parent_path().parent_path();
    add_existing(prefix / "plugins");
    add_existing(prefix / TENON_INSTALL_LIBDIR / "tenon" / "plugins");  // lib, lib64, lib/x86_64-linux-gnu ...
  }
  add_python_plugins(world, places);
  return places;
}

void CatalogLimits::add_file(const std::string& file, const LoadOptions& options) {
  for (const auto& [plugin, limits] : internal::read_plugin_limits(file, options, usual)) {
    const auto [known, is_new] = of.emplace(plugin, limits);
    if (!is_new) {
      PluginLimits& both = known->second;
      both.start_timeout = std::max(both.start_timeout, limits.start_timeout);
      // 0 means no limit.
      both.memory_bytes =
          both.memory_bytes == 0 || limits.memory_bytes == 0 ? 0 : std::max(both.memory_bytes, limits.memory_bytes);
    }
  }
}

void CatalogLimits::set(RuntimeOptions& options) const {
  options.plugin_limits = usual;
  options.limits_of_plugins = of;
}

void add_limit_options(CommandLine& line, LimitOptions& options) {
  line.add("--start-timeout", options.start_timeout, "How long a plugin may take to load, as in 2m; default: 30s")
      .type_name("TIME");
  line.add("--memory", options.memory,
           "Address space that a plugin may reserve while it is inspected, as in 128GiB, 0B for no limit; default: "
           "64GiB")
      .type_name("SIZE");
}

Outcome<CatalogLimits> read_limits(const LimitOptions& options) {
  CatalogLimits limits;
  if (!options.start_timeout.empty()) {
    const auto time = internal::parse_duration(options.start_timeout);
    if (!time) {
      return usage_failure("--start-timeout: " + time.error().message);
    }
    limits.usual.start_timeout = std::chrono::ceil<std::chrono::milliseconds>(*time);
    if (limits.usual.start_timeout.count() == 0) {
      return usage_failure("--start-timeout: it must be longer than 0", "as in --start-timeout 2m");
    }
  }
  if (!options.memory.empty()) {
    const auto size = internal::parse_size(options.memory);
    if (!size) {
      return usage_failure("--memory: " + size.error().message);
    }
    limits.usual.memory_bytes = *size;
  }
  return limits;
}

Outcome<Catalog> open_catalog(const World& world, const std::vector<std::string>& asked, const CatalogLimits& limits,
                              const std::vector<fs::path>& of_file) {
  TENON_ASSIGN(auto places, plugin_places(world, asked, of_file));
  CatalogOptions options;
  options.plugin_dirs = std::move(places);
  options.limits = limits.usual;
  options.limits_of = limits.of;
  // plugin_places has added the environment's directories after those of the command line.
  options.use_environment = false;
  auto catalog = Catalog::open(options);
  if (!catalog) {
    return failure(ExitCode::kBadConfiguration, std::move(catalog.error()));
  }
  return std::move(*catalog);
}

Outcome<TaskRef> find_task(const Catalog& catalog, const std::string& full_name) {
  auto task = catalog.find_task(full_name);
  if (task) {
    return std::move(*task);
  }
  const std::string plugin = full_name.substr(0, full_name.find('.'));
  for (const auto& known : catalog.plugins()) {
    if (known->name == plugin && !known->usable() && catalog.find_plugin(plugin) == nullptr) {
      return failure(ExitCode::kBadConfiguration, std::move(task.error()));
    }
  }
  const bool known = catalog.find_plugin(plugin) != nullptr;
  return failure(ExitCode::kUsage, std::move(task.error()),
                 known ? "" : "plugins are searched for in --plugin-dir, in TENON_PLUGIN_PATH, and beside tenon");
}

}  // namespace tenon::cli
