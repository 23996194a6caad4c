/// Signals, for programs of this tree; the library itself handles none.
#pragma once

#include <string>

namespace tenon::internal {

/// Ignores SIGPIPE in this process, so that writing to a closed pipe is an error and not the end. For worker and tools.
/// [setup]
void ignore_broken_pipe() noexcept;

/// The signals this process blocks, ignores and catches, as the system sees them, in hexadecimal masks:
/// "blocked=0 ignored=0 caught=0". For tests of spawned children. [any-thread]
[[nodiscard]] std::string signal_state();

}  // namespace tenon::internal
