/// host/runtime_access.hpp: a runtime over a launcher of one's own, and what lies below a runtime.
#pragma once

#include <memory>

#include <tenon/runtime.hpp>

#include "host/launcher.hpp"
#include "host/pool.hpp"

namespace tenon::internal {

struct RuntimeAccess {
  /// As Runtime::start, with workers from `launcher`. RuntimeOptions::worker_executable still inspects plugins.
  [[nodiscard]] static Result<Runtime> start(RuntimeOptions options, std::unique_ptr<Launcher> launcher);
  /// Its pool; null when the runtime has been moved away.
  [[nodiscard]] static std::shared_ptr<Pool> pool(const Runtime& runtime);
};

}  // namespace tenon::internal
