/// host/runtime_access.hpp: runtimes with other launchers, and access to the parts below a runtime.
#pragma once

#include <memory>
#include <string_view>

#include <tenon/runtime.hpp>

#include "host/launcher.hpp"
#include "host/pool.hpp"

namespace tenon::internal {

struct RuntimeAccess {
  /// Like Runtime::start, with workers from `launcher`. RuntimeOptions::worker_executable still
  /// inspects plugins.
  [[nodiscard]] static Result<Runtime> start(RuntimeOptions options, std::unique_ptr<Launcher> launcher);
  /// Like Runtime::submit, for a caller that makes further attempts itself.
  [[nodiscard]] static Future<Reply> submit(Runtime& runtime, std::string_view task, const Reply& argument,
                                            const CallOptions& options, const EarlierAttempts& earlier);
  /// Its pool; null if the runtime has been moved from.
  [[nodiscard]] static std::shared_ptr<Pool> pool(const Runtime& runtime);
};

}  // namespace tenon::internal
