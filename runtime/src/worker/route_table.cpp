#include "worker/route_table.hpp"

#include <utility>

#include "base/hot.hpp"
#include "base/try.hpp"
#include "platform/dynamic_library.hpp"
#include "platform/file.hpp"
#include "plugin/file_hash.hpp"
#include "plugin/plugin_file.hpp"

namespace tenon::internal {

void RouteTable::bind(Route route) {
  const std::uint32_t number = route.number;
  routes_[number] = std::make_unique<Route>(std::move(route));
}

void RouteTable::unbind(std::uint32_t number) {
  routes_.erase(number);
}

TENON_HOT Route* RouteTable::find(std::uint32_t number) noexcept {
  const auto found = routes_.find(number);
  return found == routes_.end() ? nullptr : found->second.get();
}

std::shared_ptr<PluginSlot> RouteTable::slot(const std::string& name, const std::string& version,
                                             const std::string& file, const std::string& sha256,
                                             const std::optional<PluginFileState>& state, const BlockRef& settings) {
  for (const auto& slot : slots_) {
    if (slot->name == name && slot->sha256 == sha256) {
      return slot;
    }
  }
  auto slot = std::make_shared<PluginSlot>();
  slot->name = name;
  slot->version = version;
  slot->file = file;
  slot->sha256 = sha256;
  slot->state = state;
  slot->settings = settings;
  slots_.push_back(slot);
  return slot;
}

namespace {

/// The file stays open for as long as the worker lives, so tasks must not close it by mistake.
Result<OpenPluginFile> out_of_reach(Result<OpenPluginFile> opened) {
  if (opened) {
    opened->descriptor.move_out_of_reach();
  }
  return opened;
}

Result<OpenPluginFile> open_file(const PluginSlot& slot, const PluginSupplies& supplies) {
  if (!slot.file.empty()) {
    if (auto opened = open_inspected(slot.file, slot.state, slot.sha256)) {
      return out_of_reach(std::move(opened));
    }
  }
  return out_of_reach(supplies.file(slot, slot.sha256));
}

bool is_sound(const OpenPluginFile& file) {
  const auto identity = file_identity(file.descriptor);
  return identity && (*identity == file.identity || sha256_of_file(file.descriptor).value_or("") == file.sha256);
}

Error changed_in_place(const PluginSlot& slot, const LibrarySlot& library, const Error& problem) {
  return {problem.code,
          "plugin " + slot.name + " " + slot.version + " needs " + library.file +
              " as it was when the plugin was staged, and a copy cannot replace it, because the plugin needs it by a "
              "path: " +
              problem.message + ". Give it a name (-Wl,-soname," + library.name + "), or swap the plugin",
          {}};
}

/// The host keeps such plugins in different workers; this is the last line of defence.
Error other_content(const PluginSlot& slot, const LibrarySlot& library, const std::string& plugin) {
  return {ErrorCode::kUnavailable,
          "plugin " + slot.name + " " + slot.version + " needs other content of " + library.name + " than plugin " +
              plugin + ", and this worker has loaded the library of " + plugin +
              ": in one process, libraries with different contents need different names",
          {}};
}

Result<OpenPluginFile> open_library(const PluginSlot& slot, const LibrarySlot& library,
                                    const PluginSupplies& supplies) {
  if (library.file.empty()) {
    return out_of_reach(supplies.file(slot, library.sha256));
  }
  auto opened = open_inspected(library.file, library.state, library.sha256);
  if (opened) {
    return out_of_reach(std::move(opened));
  }
  return library.fixed ? fail(changed_in_place(slot, library, opened.error()))
                       : out_of_reach(supplies.file(slot, library.sha256));
}

}  // namespace

/// The loaded copy is not beside the author's file, and the libraries there may have changed by
/// now. The loader uses an already loaded library for a dependency of the same name.
Result<void> RouteTable::load_libraries(PluginSlot& slot, const PluginSupplies& supplies) {
  for (LibrarySlot& library : slot.libraries) {
    const auto known = libraries_.find(library.name);
    if (known != libraries_.end()) {
      if (known->second.sha256 != library.sha256) {
        return fail(other_content(slot, library, known->second.plugin));
      }
      continue;
    }
    if (DynamicLibrary::is_loaded(library.name)) {
      continue;  // The worker itself has loaded it, and the loader reuses it.
    }
    TENON_ASSIGN(auto opened, open_library(slot, library, supplies));
    libraries_.emplace(library.name, LoadedLibrary{library.sha256, slot.name});
    library.opened = std::move(opened);
    // If the loader refuses one, loading the plugin reports it.
    static_cast<void>(load_own_library(library.opened->descriptor, library.opened->name));
    if (!is_sound(*library.opened)) {
      return fail(changed_since_inspection(library.opened->name, "it was written to while it was loaded"));
    }
  }
  return {};
}

Result<std::unique_ptr<LoadedPlugin>> RouteTable::load_plugin(PluginSlot& slot, const tenon_worker_t* worker,
                                                              const PluginSupplies& supplies) {
  const LibraryOptions options{.worker = worker, .on_stage = {}};
  TENON_TRY(load_libraries(slot, supplies));
  auto loaded = LoadedPlugin::load(*slot.opened, options);
  if (!loaded && !is_sound(*slot.opened)) {
    // It was changed during loading, before any of its functions was called.
    TENON_ASSIGN(slot.opened, out_of_reach(supplies.file(slot, slot.sha256)));
    loaded = LoadedPlugin::load(*slot.opened, options);
  }
  if (!loaded) {
    return loaded;
  }
  TENON_ASSIGN(const auto bytes, supplies.settings(slot.settings));
  TENON_TRY((*loaded)->init(bytes));
  return loaded;
}

Result<void> RouteTable::load(Route& route, const tenon_worker_t* worker, const PluginSupplies& supplies) {
  if (route.loaded != nullptr) {
    return {};
  }
  PluginSlot& slot = *route.slot;
  if (slot.problem) {
    return fail(*slot.problem);
  }
  if (slot.plugin == nullptr) {
    TENON_ASSIGN(slot.opened, open_file(slot, supplies));
    auto loaded = load_plugin(slot, worker, supplies);
    if (!loaded) {
      slot.problem = loaded.error();
      return fail(std::move(loaded.error()));
    }
    slot.plugin = std::move(*loaded);
  }
  route.loaded = slot.plugin->find_task(route.task);
  if (route.loaded == nullptr) {
    return fail(ErrorCode::kNotFound, "plugin " + slot.name + " has no task '" + route.task + "'");
  }
  return {};
}

void RouteTable::finish_plugins() {
  for (const auto& slot : slots_) {
    if (slot->plugin != nullptr) {
      slot->plugin->finish();
    }
  }
}

}  // namespace tenon::internal
