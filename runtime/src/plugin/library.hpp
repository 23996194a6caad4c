/// plugin/library.hpp: one plugin, loaded into this process. Only for workers and the inspector; a
/// host never loads plugins.
///
///   auto plugin = LoadedPlugin::load(file, worker);              // manifest, dlopen, entry, checks
///   if (plugin) status = (*plugin)->init(settings);
///   const LoadedTask* task = (*plugin)->find_task("thumbnail");
///   task->run(&call);
///   (*plugin)->finish();                                         // quiesce, fini
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <tenon/plugin.h>
#include <tenon/bytes.hpp>
#include <tenon/error.hpp>
#include <tenon/schema.hpp>

#include "plugin/plugin_file.hpp"

namespace tenon::internal {

/// A task's functions, copied from the descriptor after it was checked. Functions beyond the end of
/// the plugin's own struct are null. Pointers into the library are valid as long as the process.
struct LoadedTask {
  const TaskInfo* info = nullptr;  ///< Inside LoadedPlugin::schema().
  tenon_status_t (*run)(tenon_call_t* call) = nullptr;
  tenon_status_t (*open)(tenon_call_t* call, void** session) = nullptr;
  tenon_status_t (*step)(tenon_call_t* call, void* session) = nullptr;
  tenon_status_t (*checkpoint)(tenon_call_t* call, void* session) = nullptr;  ///< Null if the task has no checkpoints.
  void (*close)(void* session) = nullptr;
};

/// The next step of a load; the inspector reports in which step a plugin crashed or hung.
enum class LoadStage : std::uint8_t {
  kReadManifest = 1,
  kLoadLibrary = 2,  ///< Static initialisers run here.
  kEntry = 3,
  kCheckDescriptor = 4,
  kInit = 5,
  kQuiesce = 6,
  kFini = 7,
  kDone = 8,
};

/// Such as "while tenon_plugin_entry ran". Valid forever.
[[nodiscard]] std::string_view load_stage_text(LoadStage stage) noexcept;

struct LibraryOptions {
  /// The worker as the plugin sees it. Must live until the process ends.
  const tenon_worker_t* worker = nullptr;
  /// Called before each stage starts; may be empty.
  std::function<void(LoadStage)> on_stage;
  /// The plugin's own libraries, loaded before it, each after those that it needs. If the loader
  /// refuses one, the load of the plugin reports it.
  std::vector<std::filesystem::path> libraries = {};
};

/// Loads an own library of a plugin from an open file. The loader then uses it for the name of
/// `path` (without directories), even if the library itself does not have that name (DT_SONAME);
/// for this, `path` must lead to the file. Errors: those of DynamicLibrary::load. [any-thread]
[[nodiscard]] Result<void> load_own_library(const FileDescriptor& file, const std::filesystem::path& path);

/// A loaded plugin. The library is never unloaded; it ends with the process. Not thread-safe: only
/// the task thread uses it. Owns the state between `init` and `fini`.
class LoadedPlugin {
 public:
  /// Reads the manifest, loads the library, calls tenon_plugin_entry and checks the descriptor
  /// against manifest and schema. Errors: those of read_manifest; kCorrupt or kNotFound if the
  /// loader refuses the file (its message is included); kIncompatible if the descriptor does not
  /// agree with the manifest, with the difference, or if the file has changed meanwhile;
  /// kUnavailable if the entry returned no descriptor. [task-thread]
  [[nodiscard]] static Result<std::unique_ptr<LoadedPlugin>> load(const std::filesystem::path& file,
                                                                  const LibraryOptions& options);
  /// The same for an open file, whatever its name leads to now. After the library is loaded and
  /// before the entry is called, its content must still be the one that was inspected. The file
  /// should stay open as long as the process, because a debugger may find it only by the
  /// descriptor. [task-thread]
  [[nodiscard]] static Result<std::unique_ptr<LoadedPlugin>> load(const OpenPluginFile& file,
                                                                  const LibraryOptions& options);

  LoadedPlugin(const LoadedPlugin&) = delete;
  LoadedPlugin& operator=(const LoadedPlugin&) = delete;
  /// Runs finish().
  ~LoadedPlugin();

  /// Calls the plugin's `init` once. `settings` may be empty; it is borrowed until init returns.
  /// Errors: the code that init returned, with its name. [task-thread]
  [[nodiscard]] Result<void> init(BytesView settings);
  /// Calls `quiesce` and `fini` if `init` has succeeded; a second call does nothing. [task-thread]
  void finish();

  [[nodiscard]] const std::string& name() const noexcept;
  [[nodiscard]] const std::string& version() const noexcept;
  [[nodiscard]] const Schema& schema() const noexcept;
  /// The state that `init` stored: tenon_call_t.state.
  [[nodiscard]] void* state() const noexcept;
  /// The tasks, in the order of schema().tasks(). Valid as long as this object.
  [[nodiscard]] const std::vector<LoadedTask>& tasks() const noexcept;
  /// A task by its method name; nullptr if there is none. Valid as long as this object.
  [[nodiscard]] const LoadedTask* find_task(std::string_view method) const noexcept;
  /// An extension of the plugin by its id; nullptr if it has none. Valid as long as the process.
  [[nodiscard]] const void* extension(const char* id) const;

 private:
  struct Impl;
  /// With a null `inspected`, the content of the file is not checked.
  [[nodiscard]] static Result<std::unique_ptr<LoadedPlugin>> load_open(const FileDescriptor& descriptor,
                                                                       const std::filesystem::path& file,
                                                                       const OpenPluginFile* inspected,
                                                                       const LibraryOptions& options);
  explicit LoadedPlugin(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tenon::internal
