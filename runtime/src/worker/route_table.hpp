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
  std::string file;  ///< Empty: the host has it.
  std::string sha256;
  std::optional<PluginFileState> state;  ///< Of the file that has the hash.
  /// The loader finds it by itself; it must still be what it was.
  bool fixed = false;
  std::optional<OpenPluginFile> opened;  ///< Kept open: see LoadedPlugin::load.
};

/// A plugin file that a route names; loaded on first use. A plugin that refuses to be loaded stays so in this worker; a
/// file that is not to be had is asked for again.
struct PluginSlot {
  std::string name;
  std::string version;
  std::string file;  ///< Empty: the host has it.
  std::string sha256;
  std::optional<PluginFileState> state;  ///< Of the file that has the hash.
  BlockRef settings;
  std::vector<LibrarySlot> libraries;       ///< Each after those that it needs.
  std::chrono::milliseconds load_limit{0};  ///< 0: none.
  std::optional<OpenPluginFile> opened;     ///< Kept open: see LoadedPlugin::load.
  std::unique_ptr<LoadedPlugin> plugin;
  std::optional<Error> problem;
};

/// What a worker gets from its host to load a plugin.
struct PluginSupplies {
  /// The bytes of the settings block.
  std::function<Result<BytesView>(const BlockRef&)> settings;
  /// A file of the slot from the host, its own or a library's, by its hash; the host restores it if need be. Blocks.
  std::function<Result<OpenPluginFile>(const PluginSlot&, const std::string& sha256)> file;
};

/// A task with params, by number.
struct Route {
  std::uint32_t number = 0;
  std::shared_ptr<PluginSlot> slot;
  std::string task;       ///< Method name.
  std::string full_name;  ///< "image.thumbnail".
  BlockRef params;
  /// Once loaded.
  const LoadedTask* loaded = nullptr;
  /// How long its calls took lately; kNever before the first.
  std::int64_t mean_ns = kNever;
  /// What an item's result took in a bulk call lately.
  std::uint64_t mean_result_bytes = 64;
};

/// Not thread-safe: the task thread has it.
class RouteTable {
 public:
  /// Replaces what the number meant.
  void bind(Route route);
  void unbind(std::uint32_t number);
  [[nodiscard]] Route* find(std::uint32_t number) noexcept;
  /// The slot of a plugin file, made if need be.
  [[nodiscard]] std::shared_ptr<PluginSlot> slot(const std::string& name, const std::string& version,
                                                 const std::string& file, const std::string& sha256,
                                                 const std::optional<PluginFileState>& state, const BlockRef& settings);
  /// Loads the route's plugin and runs its `init` unless done. A file that is gone, or has another content, is asked
  /// for at the host. Errors: those of LoadedPlugin and of the supplies; kNotFound no such task.
  [[nodiscard]] Result<void> load(Route& route, const tenon_worker_t* worker, const PluginSupplies& supplies);
  /// Runs `quiesce` and `fini` of every plugin.
  void finish_plugins();

 private:
  [[nodiscard]] Result<void> load_libraries(PluginSlot& slot, const PluginSupplies& supplies);
  [[nodiscard]] Result<std::unique_ptr<LoadedPlugin>> load_plugin(PluginSlot& slot, const tenon_worker_t* worker,
                                                                  const PluginSupplies& supplies);

  std::unordered_map<std::uint32_t, std::unique_ptr<Route>> routes_;
  // By plugin and content: two generations of one plugin never share a slot. A worker meets few.
  std::vector<std::shared_ptr<PluginSlot>> slots_;
  struct LoadedLibrary {
    std::string sha256;
    std::string plugin;  ///< That it was loaded for.
  };
  /// Own libraries by name.
  std::map<std::string, LoadedLibrary> libraries_;
};

}  // namespace tenon::internal
