/// platform/process_state.hpp: what the system says of another process.
#pragma once

#include <cstdint>
#include <optional>

namespace tenon::internal {

struct ProcessState {
  bool stopped = false;            ///< By a signal or a freezer that works with signals, not by a debugger.
  bool main_thread_ended = false;  ///< The main thread has ended; the process may live on in other threads.
  bool ending = false;             ///< The main thread is on its way out.
};

/// nullopt when the process is gone or the system does not tell.
[[nodiscard]] std::optional<ProcessState> process_state(std::int64_t pid) noexcept;

}  // namespace tenon::internal
