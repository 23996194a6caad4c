/// platform/debugger.hpp: detects and permits debuggers.
#pragma once

#include <cstdint>

namespace tenon::internal {

/// Whether a debugger is attached to a process. False if the process is gone or the system does not
/// report it.
[[nodiscard]] bool debugger_attached(std::int64_t pid) noexcept;

/// Lets any process of the same user attach to this one, where the system requires permission
/// (Yama): by default a process may debug only its own descendants. [any-thread]
void allow_debuggers() noexcept;

/// Whether TENON_DEBUG asks workers to allow debuggers.
[[nodiscard]] bool debuggers_wanted();
/// Makes workers started from now on allow debuggers. [setup]: changes the environment.
void want_debuggers();

}  // namespace tenon::internal
