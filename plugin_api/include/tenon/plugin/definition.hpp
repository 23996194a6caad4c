/// tenon/plugin/definition.hpp: the declarations inside a TENON_PLUGIN block.
#pragma once

#include <cstdint>
#include <cstring>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <tenon/plugin.h>
#include <tenon/plugin/state.hpp>
#include <tenon/plugin/task.hpp>

namespace tenon {

/// The declaration of a plugin: its tasks, state and settings. Lives as long as the process.
class PluginDefinition {
 public:
  /// Declares a task: the function and the method's name in the schema's rpc_service.
  template <auto Function>
  PluginDefinition& task(const char* name) {
    tasks_.push_back(internal::describe_task<Function>(names_.emplace_back(name).c_str()));
    return *this;
  }

  /// Declares the plugin's state in each worker: one T, created before any task by `T(const
  /// tenon::WorkerContext&)` or the default constructor, and destroyed when the worker stops. Tasks
  /// access it with `call.state<T>()`. An exception from the constructor makes the plugin unusable
  /// in that worker.
  template <typename T>
  PluginDefinition& state() {
    makers_.push_back([](internal::PluginState& state) { state.make<T>(); });
    return *this;
  }

  /// Declares the plugin's settings table; it is verified before the state is created. Tasks access
  /// it with `call.settings<S>()`, the state's constructor with `worker.settings<S>()`.
  template <internal::GeneratedTable S>
  PluginDefinition& settings() {
    makers_.insert(makers_.begin(), [](internal::PluginState& state) { state.bind_settings<S>(); });
    return *this;
  }

  /// Calls `hook` once after the last call: stop threads and flush there.
  template <typename T>
  PluginDefinition& on_quiesce(void (*hook)(T&)) {
    hooks_.push_back([hook](internal::PluginState& state) { hook(state.get<T>()); });
    return *this;
  }

  /// For the glue: the ABI's descriptor. Called once, after all declarations.
  const tenon_plugin_t* describe(const tenon_manifest_t* manifest) {
    plugin_.size_bytes = sizeof(tenon_plugin_t);
    plugin_.task_count = static_cast<std::uint32_t>(tasks_.size());
    plugin_.manifest = manifest;
    plugin_.tasks = tasks_.data();
    return &plugin_;
  }
  [[nodiscard]] tenon_plugin_t& raw() noexcept { return plugin_; }
  void make_state(internal::PluginState& state) const {
    for (const auto& make : makers_) {
      make(state);
    }
  }
  void quiesce(internal::PluginState& state) const {
    for (const auto& hook : hooks_) {
      hook(state);
    }
  }

 private:
  std::list<std::string> names_;
  std::vector<tenon_task_t> tasks_;
  std::vector<std::function<void(internal::PluginState&)>> makers_;
  std::vector<std::function<void(internal::PluginState&)>> hooks_;
  tenon_plugin_t plugin_{};
};

namespace internal {

/// The ABI functions of the plugin that `Define` declares.
template <void (*Define)(PluginDefinition&)>
struct PluginEntry {
  static PluginDefinition& definition() {
    static PluginDefinition definition;
    return definition;
  }

  static const tenon_plugin_t* entry(const tenon_worker_t* worker, const tenon_manifest_t* manifest, const char* name) {
    const auto report = [worker](tenon_status_t, const char* message) {
      worker->log(worker, TENON_LOG_ERROR, message);
    };
    const tenon_plugin_t* plugin = nullptr;
    guard_border(
        [&]() -> tenon_status_t {
          if (std::strncmp(manifest->name, name, TENON_MANIFEST_NAME_SIZE) != 0) {
            throw TaskError(TENON_INCOMPATIBLE, std::string("TENON_PLUGIN(") + name + ") is built as plugin '" +
                                                    manifest->name + "'; give both the same name");
          }
          // Runs once, even if several workers on threads of one process load the plugin
          // concurrently.
          [[maybe_unused]] static const bool defined = [manifest] {
            Define(definition());
            definition().raw().init = &init;
            definition().raw().quiesce = &quiesce;
            definition().raw().fini = &fini;
            definition().describe(manifest);
            return true;
          }();
          plugin = &definition().raw();
          return TENON_OK;
        },
        report);
    return plugin;
  }

  static tenon_status_t init(const tenon_worker_t* worker, tenon_bytes_t settings, void** state) {
    const auto report = [worker](tenon_status_t, const char* message) {
      worker->log(worker, TENON_LOG_ERROR, message);
    };
    return guard_border(
        [&]() -> tenon_status_t {
          auto made = std::make_unique<PluginState>(worker, settings);
          definition().make_state(*made);
          *state = made.release();
          return TENON_OK;
        },
        report);
  }
  static void quiesce(void* state) {
    auto& plugin_state = *static_cast<PluginState*>(state);
    guard_border(
        [&]() -> tenon_status_t {
          definition().quiesce(plugin_state);
          return TENON_OK;
        },
        [&](tenon_status_t, const char* message) { plugin_state.worker().log(TENON_LOG_ERROR, message); });
  }
  static void fini(void* state) { delete static_cast<PluginState*>(state); }
};

}  // namespace internal
}  // namespace tenon

/// Defines the plugin's entry function; the block that follows declares its tasks on `plugin`, a
/// tenon::PluginDefinition. Used once per plugin. `plugin_name` is the name passed to
/// tenon_add_plugin().
#define TENON_PLUGIN(plugin_name)                                                                             \
  static void tenon_define_plugin_##plugin_name(::tenon::PluginDefinition& plugin);                           \
  extern "C" TENON_PLUGIN_EXPORT const tenon_plugin_t* tenon_plugin_entry(const tenon_worker_t* worker) {     \
    return ::tenon::internal::PluginEntry<&tenon_define_plugin_##plugin_name>::entry(worker, &tenon_manifest, \
                                                                                     #plugin_name);           \
  }                                                                                                           \
  static void tenon_define_plugin_##plugin_name(::tenon::PluginDefinition& plugin)
