#include "worker/route_table.hpp"

#include "base/hot.hpp"
#include "platform/dynamic_library.hpp"
#include "platform/file.hpp"
#include "plugin/file_hash.hpp"
#include "plugin/file_source.hpp"
#include "plugin/own_libraries.hpp"
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

Result<OpenPluginFile> open_file(const PluginSlot& slot, const PluginSupplies& supplies) {
  if (!slot.file.empty()) {
    if (auto opened = open_inspected(slot.file, slot.state, slot.sha256)) {
      return opened;
    }
  }
  return supplies.file(slot);
}

bool is_sound(const OpenPluginFile& file) {
  const auto identity = file_identity(file.descriptor);
  return identity && (*identity == file.identity || sha256_of_file(file.descriptor).value_or("") == file.sha256);
}

/// The copy that is loaded lies elsewhere than the author's file, and would not find these by `$ORIGIN`.
void load_own_libraries(const PluginSlot& slot) {
  const auto source = FileSource::over(slot.opened->descriptor);
  if (!source) {
    return;
  }
  for (const std::filesystem::path& library : own_libraries(*source, slot.origin)) {
    // One that cannot be loaded is reported by the load of the plugin.
    static_cast<void>(DynamicLibrary::load(library));
  }
}

Result<std::unique_ptr<LoadedPlugin>> load_plugin(PluginSlot& slot, const tenon_worker_t* worker,
                                                  const PluginSupplies& supplies) {
  const LoadOptions options{.worker = worker, .on_stage = {}};
  load_own_libraries(slot);
  auto loaded = LoadedPlugin::load(*slot.opened, options);
  if (!loaded && !is_sound(*slot.opened)) {
    // It was changed while it was loaded, before any of its functions was called.
    auto restored = supplies.file(slot);
    if (!restored) {
      return fail(std::move(restored.error()));
    }
    slot.opened = std::move(*restored);
    loaded = LoadedPlugin::load(*slot.opened, options);
  }
  if (!loaded) {
    return loaded;
  }
  auto bytes = supplies.settings(slot.settings);
  if (!bytes) {
    return fail(std::move(bytes.error()));
  }
  if (auto initialised = (*loaded)->init(*bytes); !initialised) {
    return fail(std::move(initialised.error()));
  }
  return loaded;
}

}  // namespace

Result<void> RouteTable::load(Route& route, const tenon_worker_t* worker, const PluginSupplies& supplies) {
  if (route.loaded != nullptr) {
    return {};
  }
  PluginSlot& slot = *route.slot;
  if (slot.problem) {
    return fail(*slot.problem);
  }
  if (slot.plugin == nullptr) {
    auto opened = open_file(slot, supplies);
    if (!opened) {
      return fail(std::move(opened.error()));
    }
    slot.opened = std::move(*opened);
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
