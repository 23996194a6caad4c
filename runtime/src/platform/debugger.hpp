/// platform/debugger.hpp: whether a debugger has a process in its hands.
#pragma once

#include <cstdint>

namespace tenon::internal {

/// Whether a debugger is attached to a process. False when the process is gone or the system does not tell.
[[nodiscard]] bool debugger_attached(std::int64_t pid) noexcept;

/// Lets any process of the same user attach to this one, where the system asks for that (Yama): what is started by one
/// process may as a rule not debug what another has started. [any-thread]
void allow_debuggers() noexcept;

/// Whether TENON_DEBUG asks workers to allow debuggers.
[[nodiscard]] bool debuggers_wanted();
/// Makes the workers that are started from now on allow debuggers. [setup]: it changes the environment.
void want_debuggers();

}  // namespace tenon::internal
