/// worker/route_table.hpp: the routes a worker knows and the plugins behind them.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <tenon/plugin.h>
#include <tenon/bytes.hpp>
#include <tenon/catalog.hpp>
#include <tenon/error.hpp>

#include "base/clock.hpp"
#include "ipc/layout.hpp"
#include "plugin/library.hpp"
#include "plugin/plugin_file.hpp"

namespace tenon::internal {

/// One of a plugin's own libraries.
struct LibrarySlot {
  std::string name;
  std::string file;  ///< Path of the file; empty: request it from the host.
  std::string sha256;
  std::optional<PluginFileState> state;  ///< The state of the file with this hash.
  /// The loader finds it by its path; it must be unchanged.
  bool fixed = false;
  std::optional<OpenPluginFile> opened;  ///< Kept open: see LoadedPlugin::load.
};

/// A plugin file that a route names; loaded on first use. A plugin that fails to load stays failed
/// in this worker; a file that is not available is requested again.
struct PluginSlot {
  std::string name;
  std::string version;
  std::string file;  ///< Path of the file; empty: request it from the host.
  std::string sha256;
  std::optional<PluginFileState> state;  ///< The state of the file with this hash.
  BlockRef settings;
  std::vector<LibrarySlot> libraries;       ///< In dependency order.
  std::chrono::milliseconds load_limit{0};  ///< 0: no limit.
  std::optional<OpenPluginFile> opened;     ///< Kept open: see LoadedPlugin::load.
  std::unique_ptr<LoadedPlugin> plugin;
  std::optional<Error> problem;
};

/// The host's services for loading a plugin.
struct PluginSupplies {
  /// The bytes of the settings block.
  std::function<Result<BytesView>(const BlockRef&)> settings;
  /// Gets a file of the slot, its own or a library's, from the host by its hash; the host restores
  /// it if necessary. Blocks.
  std::function<Result<OpenPluginFile>(const PluginSlot&, const std::string& sha256)> file;
};

/// A task with params, identified by a number.
struct Route {
  std::uint32_t number = 0;
  std::shared_ptr<PluginSlot> slot;
  std::string task;       ///< Method name.
  std::string full_name;  ///< "image.thumbnail".
  BlockRef params;
  /// Set once the plugin is loaded.
  const LoadedTask* loaded = nullptr;
  /// Average run time of recent calls; kNever before the first.
  std::int64_t mean_ns = kNever;
  /// Average size of recent results of bulk items.
  std::uint64_t mean_result_bytes = 64;
};

/// The worker's routes. Not thread-safe: owned by the task thread.
class RouteTable {
 public:
  /// Binds the route's number, replacing an earlier binding.
  void bind(Route route);
  void unbind(std::uint32_t number);
  [[nodiscard]] Route* find(std::uint32_t number) noexcept;
  /// The slot of a plugin file; created if necessary.
  [[nodiscard]] std::shared_ptr<PluginSlot> slot(const std::string& name, const std::string& version,
                                                 const std::string& file, const std::string& sha256,
                                                 const std::optional<PluginFileState>& state, const BlockRef& settings);
  /// Loads the route's plugin and runs its `init`, once. A file that is gone or has other content
  /// is requested from the host. Errors: those of LoadedPlugin and of the supplies; kNotFound: no
  /// such task.
  [[nodiscard]] Result<void> load(Route& route, const tenon_worker_t* worker, const PluginSupplies& supplies);
  /// Runs `quiesce` and `fini` of every plugin.
  void finish_plugins();

 private:
  [[nodiscard]] Result<void> load_libraries(PluginSlot& slot, const PluginSupplies& supplies);
  [[nodiscard]] Result<std::unique_ptr<LoadedPlugin>> load_plugin(PluginSlot& slot, const tenon_worker_t* worker,
                                                                  const PluginSupplies& supplies);

  std::unordered_map<std::uint32_t, std::unique_ptr<Route>> routes_;
  // By plugin and content: two generations of a plugin never share a slot. A worker has only a few.
  std::vector<std::shared_ptr<PluginSlot>> slots_;
  struct LoadedLibrary {
    std::string sha256;
    std::string plugin;  ///< The plugin that it was loaded for.
  };
  /// The plugins' own libraries, by name.
  std::map<std::string, LoadedLibrary> libraries_;
};

}  // namespace tenon::internal
