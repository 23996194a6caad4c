/// The executor that runs tasks through a Runtime.
#pragma once

#include <memory>

#include <tenon/runtime.hpp>

#include "pipeline/executor.hpp"

namespace tenon::internal {

/// `runtime` outlives the executor.
[[nodiscard]] std::unique_ptr<Executor> make_runtime_executor(Runtime& runtime);

}  // namespace tenon::internal
