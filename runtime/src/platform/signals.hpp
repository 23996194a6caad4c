/// platform/signals.hpp: signals. The library handles none; only tenon's own programs ignore any.
#pragma once

#include <string>

namespace tenon::internal {

/// Ignores SIGPIPE in this process, so that writing to a closed pipe is an error and does not kill
/// it. For the worker and the tools. [setup]
void ignore_broken_pipe() noexcept;

/// Whether this signal is usually sent by another party: a person, a service manager, or the system
/// when it runs out of memory. Faults and abort() come from the process itself. [any-thread]
[[nodiscard]] bool sent_by_others(int signal) noexcept;

/// The signals that this process blocks, ignores and catches, as hexadecimal masks from the system:
/// "blocked=0 ignored=0 caught=0". For tests of spawned children. [any-thread]
[[nodiscard]] std::string signal_state();

}  // namespace tenon::internal
