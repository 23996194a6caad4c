/// host/runtime_access.hpp: a runtime over a launcher of one's own.
#pragma once

#include <memory>

#include <tenon/runtime.hpp>

#include "host/launcher.hpp"

namespace tenon::internal {

struct RuntimeAccess {
  /// As Runtime::start, with workers from `launcher`. RuntimeOptions::worker_executable still inspects plugins.
  [[nodiscard]] static Result<Runtime> start(RuntimeOptions options, std::unique_ptr<Launcher> launcher);
};

}  // namespace tenon::internal
