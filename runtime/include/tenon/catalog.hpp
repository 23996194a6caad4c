/// tenon/catalog.hpp: which plugins there are, by name. Nothing here loads a plugin into the calling process.
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

/// What a plugin may take while it is loaded. The defaults suit plugins that load a machine-learning runtime and its
/// models.
struct PluginLimits {
  /// For loading and `init`, and for each step of a swap: a plugin that takes longer counts as hung. A shorter time
  /// reports such a plugin sooner.
  std::chrono::milliseconds start_timeout{30'000};
  /// Address space in bytes of the process that inspects the plugin; 0 for no limit. Allocators of large runtimes
  /// reserve much more than they use. (A sanitizer's worker has no limit.)
  std::uint64_t memory_bytes = std::uint64_t{64} << 30;
  friend bool operator==(const PluginLimits&, const PluginLimits&) = default;
};

struct CatalogOptions {
  /// Directories searched in order, not below them; the first plugin of a name wins, the others are listed as shadowed.
  /// TENON_PLUGIN_PATH (separated by ':', ';' on Windows) is searched before these.
  std::vector<std::filesystem::path> plugin_dirs;
  /// Whether TENON_PLUGIN_PATH counts.
  bool use_environment = true;
  /// Where inspections are remembered by content. Empty: $XDG_CACHE_HOME/tenon or ~/.cache/tenon; when that cannot
  /// be written the catalog works without it.
  std::filesystem::path cache_dir;
  /// The tenon-worker that inspects. Empty: found as RuntimeOptions::worker_executable says.
  std::filesystem::path worker_executable;
  /// Of each plugin that `limits_of` does not name.
  PluginLimits limits = {};
  /// By plugin name.
  std::map<std::string, PluginLimits> limits_of = {};
  /// The limits of one plugin.
  [[nodiscard]] const PluginLimits& limits_for(const std::string& plugin) const {
    const auto found = limits_of.find(plugin);
    return found == limits_of.end() ? limits : found->second;
  }
};

/// One state of a file, told from others without reading it: a change of the content shows in the change time, which
/// nobody can set back.
struct PluginFileState {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t size_bytes = 0;
  std::int64_t mtime_ns = 0;
  std::int64_t ctime_ns = 0;
  friend bool operator==(const PluginFileState&, const PluginFileState&) = default;
};

/// A library that a plugin needs and that is not the system's: the loader finds it by the plugin's own search path
/// (DT_RUNPATH, DT_RPATH, `$ORIGIN`), by LD_LIBRARY_PATH or by a path.
struct PluginLibrary {
  std::string name;            ///< That it is needed by: "libspeech.so.1".
  std::filesystem::path file;  ///< Absolute.
  std::string sha256;          ///< Of its content.
  /// A copy cannot take its place, because the plugin needs it by a path: an old and a new content cannot run side by
  /// side.
  bool fixed = false;
};

/// What is known of one plugin file.
struct PluginInfo {
  std::string name;            ///< From the manifest; the file's stem when that cannot be read.
  std::string version;         ///< "1.2.0"; empty when it cannot be read.
  std::filesystem::path file;  ///< Absolute.
  /// Identity, lower-case hexadecimal: the hash of the file's content and, where there are any, of its `libraries`.
  std::string sha256;
  /// Its own libraries, each after those that it needs.
  std::vector<PluginLibrary> libraries;
  std::uint64_t size_bytes = 0;
  /// The state of the file that was hashed. Absent when it had changed so shortly before that a further change might
  /// not show.
  std::optional<PluginFileState> state;
  std::optional<Schema> schema;  ///< Absent when the plugin cannot be used.
  /// Why the plugin cannot be used: no manifest, truncated, other ABI, crash or hang in the inspector, a lie about its
  /// schema, shadowed by another file. Absent when it can.
  std::optional<Error> problem;
  [[nodiscard]] bool usable() const noexcept { return schema.has_value() && !problem.has_value(); }
};

/// A task with the plugin that has it. Valid as long as the catalog.
struct TaskRef {
  std::shared_ptr<const PluginInfo> plugin;
  const TaskInfo* task = nullptr;  ///< Inside plugin->schema.
};

/// The plugins found at one time. Immutable; copies share; [any-thread].
class Catalog {
 public:
  /// Of no plugin.
  Catalog();
  /// Scans the directories and inspects what the cache does not know, several at a time. A broken plugin is listed with
  /// its problem. Errors: kNotFound when a directory of `plugin_dirs` does not exist; kUnavailable without a
  /// tenon-worker.
  [[nodiscard]] static Result<Catalog> open(const CatalogOptions& options);

  /// The same catalog with `plugin` in the place of all of its name, or added to it.
  [[nodiscard]] Catalog with(std::shared_ptr<const PluginInfo> plugin) const;

  /// All plugins, usable or not, by name.
  [[nodiscard]] const std::vector<std::shared_ptr<const PluginInfo>>& plugins() const noexcept;
  /// The usable plugin of that name; nullptr if there is none.
  [[nodiscard]] std::shared_ptr<const PluginInfo> find_plugin(std::string_view name) const noexcept;
  /// A task by its full name. Errors: kNotFound with the nearest known names ("did you mean"), or with the
  /// problem of a plugin that has the name but cannot be used.
  [[nodiscard]] Result<TaskRef> find_task(std::string_view full_name) const;

  struct Impl;

 private:
  explicit Catalog(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
};

/// Finds the worker executable: `requested` if not empty; $TENON_WORKER; beside the running executable; beside the
/// library's build or install place. Errors: kUnavailable with the places looked at.
[[nodiscard]] Result<std::filesystem::path> find_worker_executable(const std::filesystem::path& requested);

}  // namespace tenon
