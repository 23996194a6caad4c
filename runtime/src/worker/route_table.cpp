#include "worker/route_table.hpp"

#include <sodium.h>

#include <array>
#include <limits>

#include "base/text.hpp"
#include "platform/file.hpp"

namespace tenon::internal {

namespace {

Result<std::string> sha256_of(const std::filesystem::path& file) {
  auto descriptor = open_for_reading(file);
  if (!descriptor) {
    return fail(std::move(descriptor.error()));
  }
  crypto_hash_sha256_state state;
  crypto_hash_sha256_init(&state);
  std::vector<std::uint8_t> buffer(std::size_t{1} << 18);
  for (;;) {
    auto count = read_some(*descriptor, buffer);
    if (!count) {
      return fail(std::move(count.error()));
    }
    if (*count == 0) {
      break;
    }
    crypto_hash_sha256_update(&state, buffer.data(), *count);
  }
  std::array<std::uint8_t, crypto_hash_sha256_BYTES> digest{};
  crypto_hash_sha256_final(&state, digest.data());
  return to_hex(digest);
}

}  // namespace

void RouteTable::bind(Route route) {
  const std::uint32_t number = route.number;
  routes_[number] = std::make_unique<Route>(std::move(route));
}

void RouteTable::unbind(std::uint32_t number) {
  routes_.erase(number);
}

Route* RouteTable::find(std::uint32_t number) noexcept {
  const auto found = routes_.find(number);
  return found == routes_.end() ? nullptr : found->second.get();
}

std::shared_ptr<PluginSlot> RouteTable::slot(const std::string& name, const std::string& version,
                                             const std::string& file, const std::string& sha256,
                                             const BlockRef& settings) {
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
      auto hash = sha256_of(slot.file);
      if (!hash) {
        return fail(std::move(hash.error()));
      }
      if (*hash != slot.sha256) {
        return fail(ErrorCode::kIncompatible, slot.file + " has changed since the runtime inspected it (it was " +
                                                  slot.sha256.substr(0, 12) + ", it is " + hash->substr(0, 12) +
                                                  "); start the runtime again to use the new file");
      }
      auto loaded = LoadedPlugin::load(slot.file, LoadOptions{.worker = worker, .on_stage = {}});
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
