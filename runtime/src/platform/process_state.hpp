/// platform/process_state.hpp: the state of another process, as the system reports it.
#pragma once

#include <cstdint>
#include <optional>

namespace tenon::internal {

struct ProcessState {
  /// Stopped by a signal or by a freezer that uses signals, not by a debugger.
  bool stopped = false;
  /// The main thread has exited; the process may live on in other threads.
  bool main_thread_ended = false;
  /// The main thread is exiting.
  bool ending = false;
};

/// nullopt if the process is gone or the system does not report it.
[[nodiscard]] std::optional<ProcessState> process_state(std::int64_t pid) noexcept;

}  // namespace tenon::internal
