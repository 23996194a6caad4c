/// platform/signals.hpp: signals. The library handles none; ignoring is for programs of this tree.
#pragma once

#include <string>

namespace tenon::internal {

/// Ignores SIGPIPE in this process, so that writing to a closed pipe is an error and not the end. For worker and tools.
/// [setup]
void ignore_broken_pipe() noexcept;

/// Whether what ends a process by this signal is usually another one: a person, a service manager, the system when it
/// is out of memory. Faults and abort() are a process's own. [any-thread]
[[nodiscard]] bool sent_by_others(int signal) noexcept;

/// The signals this process blocks, ignores and catches, as the system sees them, in hexadecimal masks:
/// "blocked=0 ignored=0 caught=0". For tests of spawned children. [any-thread]
[[nodiscard]] std::string signal_state();

}  // namespace tenon::internal
