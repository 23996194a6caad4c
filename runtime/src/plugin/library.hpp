/// plugin/library.hpp: one plugin, loaded into this process. For workers and the inspector alone: a host never loads.
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

/// A task's functions, copied out of the descriptor once it was checked: what lies beyond the plugin's own struct is
/// null. Pointers into the library stay valid as long as the process.
struct LoadedTask {
  const TaskInfo* info = nullptr;  ///< Inside LoadedPlugin::schema().
  tenon_status_t (*run)(tenon_call_t* call) = nullptr;
  tenon_status_t (*open)(tenon_call_t* call, void** session) = nullptr;
  tenon_status_t (*step)(tenon_call_t* call, void* session) = nullptr;
  tenon_status_t (*checkpoint)(tenon_call_t* call, void* session) = nullptr;  ///< Null: the task has no checkpoints.
  void (*close)(void* session) = nullptr;
};

/// What a load is about to do; lets the inspector say where a plugin crashed or hung.
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

/// "while tenon_plugin_entry ran" and the like. Valid for ever.
[[nodiscard]] std::string_view load_stage_text(LoadStage stage) noexcept;

struct LoadOptions {
  /// The worker as the plugin sees it. Must live until the process ends.
  const tenon_worker_t* worker = nullptr;
  /// Called before each stage begins; may be empty.
  std::function<void(LoadStage)> on_stage;
  /// Own libraries, loaded before the plugin, each after those that it needs. One that the loader refuses is reported
  /// by the load of the plugin.
  std::vector<std::filesystem::path> libraries = {};
};

/// Loads an own library of a plugin, an open file, so that the loader takes it for what is needed by the name of `path`
/// (without directories), also where the library does not carry that name itself (DT_SONAME). That takes a `path` that
/// leads to the file. Errors: those of DynamicLibrary::load. [any-thread]
[[nodiscard]] Result<void> load_own_library(const FileDescriptor& file, const std::filesystem::path& path);

/// A loaded plugin. Never unloaded: the library ends with its process. Not thread-safe: the task thread has it.
/// Owns the state between `init` and `fini`.
class LoadedPlugin {
 public:
  /// Reads the manifest, loads the library, calls tenon_plugin_entry and checks the descriptor against manifest and
  /// schema. Errors: those of read_manifest; kCorrupt or kNotFound when the loader refuses the file (its words are in
  /// the message); kIncompatible names what the descriptor lies about, or the file changed meanwhile; kUnavailable when
  /// the entry gave no descriptor. [task-thread]
  [[nodiscard]] static Result<std::unique_ptr<LoadedPlugin>> load(const std::filesystem::path& file,
                                                                  const LoadOptions& options);
  /// The same of an open file, whatever its name leads to. Its content must still be what was inspected once the
  /// library is loaded, before the entry is called. It should stay open as long as the process: it may be the only name
  /// by which a debugger finds it. [task-thread]
  [[nodiscard]] static Result<std::unique_ptr<LoadedPlugin>> load(const OpenPluginFile& file,
                                                                  const LoadOptions& options);

  LoadedPlugin(const LoadedPlugin&) = delete;
  LoadedPlugin& operator=(const LoadedPlugin&) = delete;
  /// Runs finish().
  ~LoadedPlugin();

  /// Calls the plugin's `init` once. `settings` may be empty; borrowed until init returns. Errors: the code init
  /// returned, with its name. [task-thread]
  [[nodiscard]] Result<void> init(BytesView settings);
  /// Calls `quiesce` and `fini` if `init` has succeeded; a second call does nothing. [task-thread]
  void finish();

  [[nodiscard]] const std::string& name() const noexcept;
  [[nodiscard]] const std::string& version() const noexcept;
  [[nodiscard]] const Schema& schema() const noexcept;
  /// What `init` stored: tenon_call_t.state.
  [[nodiscard]] void* state() const noexcept;
  /// The tasks, in the order of schema().tasks(). Valid as long as this object.
  [[nodiscard]] const std::vector<LoadedTask>& tasks() const noexcept;
  /// A task by its method name; nullptr if there is none. Valid as long as this object.
  [[nodiscard]] const LoadedTask* find_task(std::string_view method) const noexcept;
  /// An extension of the plugin by its id; nullptr if it has none. Valid as long as the process.
  [[nodiscard]] const void* extension(const char* id) const;

 private:
  struct Impl;
  /// `inspected` null: the file is taken as it is.
  [[nodiscard]] static Result<std::unique_ptr<LoadedPlugin>> load_open(const FileDescriptor& descriptor,
                                                                       const std::filesystem::path& file,
                                                                       const OpenPluginFile* inspected,
                                                                       const LoadOptions& options);
  explicit LoadedPlugin(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tenon::internal
