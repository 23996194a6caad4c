/// platform/debugger.hpp: whether a debugger has a process in its hands.
#pragma once

#include <cstdint>

namespace tenon::internal {

/// Whether a debugger is attached to a process. False when the process is gone or the system does not tell.
[[nodiscard]] bool debugger_attached(std::int64_t pid) noexcept;

}  // namespace tenon::internal
