#include "worker/route_table.hpp"

#include "base/hot.hpp"
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
    if (slot->file == file && slot->sha256 == sha256) {
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

Result<void> RouteTable::load(Route& route, const tenon_worker_t* worker,
                              const std::function<Result<BytesView>(const BlockRef&)>& settings) {
  if (route.loaded != nullptr) {
    return {};
  }
  PluginSlot& slot = *route.slot;
  if (slot.problem) {
    return fail(*slot.problem);
  }
  if (slot.plugin == nullptr) {
    const auto load_plugin = [&]() -> Result<std::unique_ptr<LoadedPlugin>> {
      auto inspected = check_inspected(slot.file, slot.state, slot.sha256);
      if (!inspected) {
        return fail(std::move(inspected.error()));
      }
      auto loaded =
          LoadedPlugin::load(slot.file, LoadOptions{.worker = worker, .on_stage = {}, .inspected = *inspected});
      if (!loaded) {
        return loaded;
      }
      auto bytes = settings(slot.settings);
      if (!bytes) {
        return fail(std::move(bytes.error()));
      }
      if (auto initialised = (*loaded)->init(*bytes); !initialised) {
        return fail(std::move(initialised.error()));
      }
      return loaded;
    };
    auto loaded = load_plugin();
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
