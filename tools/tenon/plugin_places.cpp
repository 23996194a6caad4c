#include "tools/tenon/plugin_places.hpp"

#include <algorithm>
#include <system_error>
#include <utility>

#include "base/text.hpp"
#include "platform/environment.hpp"

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
        return usage_failure("--plugin-dir: cannot look for '" + internal::printable(place) + "': " + failed.message());
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
  return places;
}

Outcome<Catalog> open_catalog(const World& world, const std::vector<std::string>& asked,
                              const std::vector<fs::path>& of_file) {
  auto places = plugin_places(world, asked, of_file);
  if (!places) {
    return tl::unexpected<Failure>(std::move(places.error()));
  }
  CatalogOptions options;
  options.plugin_dirs = std::move(*places);
  options.use_environment = false;  // plugin_places has put it behind the command line's own.
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
                 known ? "" : "plugins are looked for in --plugin-dir, in TENON_PLUGIN_PATH, and beside tenon");
}

}  // namespace tenon::cli
