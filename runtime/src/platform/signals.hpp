/// Signals, for programs of this tree; the library itself handles none.
#pragma once

#include <string>

namespace tenon::internal {

/// Ignores SIGPIPE in this process, so that writing to a closed pipe is an error and not the end. For worker and tools.
/// [setup]
void ignore_broken_pipe() noexcept;

/// Whether this process handles, blocks or ignores nothing unusual: for tests of spawned children. Returns a text such
/// as "blocked=0 ignored=0 caught=0" from the system's own view. [any-thread]
[[nodiscard]] std::string signal_state();

}  // namespace tenon::internal
