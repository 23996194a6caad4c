/// tenon/catalog.hpp: the available plugins, by name. Nothing here loads a plugin into the calling
/// process.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tenon/error.hpp>
#include <tenon/log.hpp>
#include <tenon/schema.hpp>

namespace tenon {

/// Limits on a plugin while it is loaded. The defaults suit plugins that load a machine-learning
/// runtime and its models.
struct PluginLimits {
  /// Time limit for loading and `init`, and for each step of a swap: a plugin that takes longer
  /// counts as hung. A shorter limit reports a hung plugin sooner.
  std::chrono::milliseconds start_timeout{30'000};
  /// Address-space limit in bytes of the process that inspects the plugin; 0 for no limit. The
  /// allocators of large runtimes reserve much more than they use. (A worker built with a sanitizer
  /// has no limit.)
  std::uint64_t memory_bytes = std::uint64_t{64} << 30;
  friend bool operator==(const PluginLimits&, const PluginLimits&) = default;
};

struct CatalogOptions {
  /// Directories to search, in order and not recursively. The first plugin of a name wins; later
  /// ones are listed as shadowed. TENON_PLUGIN_PATH (separated by ':', by ';' on Windows) is
  /// searched before these.
  std::vector<std::filesystem::path> plugin_dirs;
  /// Whether TENON_PLUGIN_PATH is searched.
  bool use_environment = true;
  /// Directory for cached inspection results, keyed by content. Empty: $XDG_CACHE_HOME/tenon or
  /// ~/.cache/tenon. If it cannot be written, the catalog works without a cache.
  std::filesystem::path cache_dir;
  /// The tenon-worker that inspects plugins. Empty: found as described at
  /// RuntimeOptions::worker_executable.
  std::filesystem::path worker_executable;
  /// Limits for each plugin that `limits_of` does not name.
  PluginLimits limits = {};
  /// Limits of single plugins, by plugin name.
  std::map<std::string, PluginLimits> limits_of = {};
  /// The limits of one plugin.
  [[nodiscard]] const PluginLimits& limits_for(const std::string& plugin) const {
    const auto found = limits_of.find(plugin);
    return found == limits_of.end() ? limits : found->second;
  }
};

/// Identifies one state of a file without reading it: any change of the content also changes the
/// change time (ctime), which cannot be set back.
struct PluginFileState {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t size_bytes = 0;
  std::int64_t mtime_ns = 0;
  std::int64_t ctime_ns = 0;
  friend bool operator==(const PluginFileState&, const PluginFileState&) = default;
};

/// A non-system library that a plugin needs: the loader finds it through the plugin's own search
/// path (DT_RUNPATH, DT_RPATH, `$ORIGIN`), LD_LIBRARY_PATH or an explicit path.
struct PluginLibrary {
  std::string name;            ///< The name it is needed by: "libspeech.so.1".
  std::filesystem::path file;  ///< Absolute.
  std::string sha256;          ///< SHA-256 of its content.
  /// Whether the plugin needs it by an explicit path. A copy cannot replace it then, so an old and a new version cannot
  /// run side by side.
  bool fixed = false;
};

/// Everything known about one plugin file.
struct PluginInfo {
  std::string name;            ///< From the manifest; the file's stem when that cannot be read.
  std::string version;         ///< "1.2.0"; empty when it cannot be read.
  std::filesystem::path file;  ///< Absolute.
  /// Identity in lower-case hexadecimal: the hash of the file's content and of its `libraries`, if
  /// any.
  std::string sha256;
  /// The plugin's own libraries, in dependency order: each after those that it needs.
  std::vector<PluginLibrary> libraries;
  std::uint64_t size_bytes = 0;
  /// The state of the file that was hashed. Absent if the file had changed so recently that a
  /// further change might go undetected.
  std::optional<PluginFileState> state;
  std::optional<Schema> schema;  ///< Absent when the plugin cannot be used.
  /// Why the plugin cannot be used: no manifest, a truncated file, another ABI, a crash or hang in
  /// the inspector, a manifest that contradicts its schema, or shadowed by another file. Absent if
  /// it can be used.
  std::optional<Error> problem;
  [[nodiscard]] bool usable() const noexcept { return schema.has_value() && !problem.has_value(); }
};

/// A task and the plugin that provides it. Valid as long as the catalog.
struct TaskRef {
  std::shared_ptr<const PluginInfo> plugin;
  const TaskInfo* task = nullptr;  ///< Points into plugin->schema.
};

/// The plugins found by one scan. Immutable; copies share; [any-thread].
class Catalog {
 public:
  /// An empty catalog.
  Catalog();
  /// Scans the directories and inspects plugins that are not in the cache, several at a time. A
  /// broken plugin is listed with its problem. Errors: kNotFound if a directory of `plugin_dirs`
  /// does not exist; kUnavailable if there is no tenon-worker.
  [[nodiscard]] static Result<Catalog> open(const CatalogOptions& options);

  /// Returns this catalog with `plugin` added, replacing all plugins of the same name.
  [[nodiscard]] Catalog with(std::shared_ptr<const PluginInfo> plugin) const;

  /// All plugins, usable or not, sorted by name.
  [[nodiscard]] const std::vector<std::shared_ptr<const PluginInfo>>& plugins() const noexcept;
  /// The usable plugin with this name; nullptr if there is none.
  [[nodiscard]] std::shared_ptr<const PluginInfo> find_plugin(std::string_view name) const noexcept;
  /// Finds a task by its full name. Errors: kNotFound with the nearest known names ("did you
  /// mean"), or with the problem of a plugin of that name that cannot be used.
  [[nodiscard]] Result<TaskRef> find_task(std::string_view full_name) const;

  struct Impl;

 private:
  explicit Catalog(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
};

/// Finds the worker executable: `requested` if not empty, then $TENON_WORKER, then beside the
/// running executable, then the library's build or install directory. Errors: kUnavailable, listing
/// the locations searched.
[[nodiscard]] Result<std::filesystem::path> find_worker_executable(const std::filesystem::path& requested);

}  // namespace tenon
