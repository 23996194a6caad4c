/// host/swap/generation.hpp: one version of one plugin in one runtime, as its calls know it.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include <tenon/catalog.hpp>
#include <tenon/internal/shared_object.hpp>

#include "plugin/store.hpp"

namespace tenon::internal {

/// Immutable. Its routes hold it, and so do its calls: the file stays in the store until the last has gone.
class Generation final : public SharedObject {
 public:
  Generation(std::uint64_t generation_number, std::shared_ptr<const PluginInfo> plugin_info, Pin stored)
      : number(generation_number), plugin(std::move(plugin_info)), pin_(std::move(stored)) {}

  /// Unique in the runtime, rising.
  const std::uint64_t number;
  const std::shared_ptr<const PluginInfo> plugin;

 private:
  const Pin pin_;
};
using GenerationRef = Shared<const Generation>;

}  // namespace tenon::internal
