/// platform/process_state.hpp: the state of another process, as the system reports it.
#pragma once

#include <cstdint>
#include <optional>

namespace tenon::internal {

struct ProcessState {
  /// Stopped by a signal, not by a debugger or by a freezer of control groups.
  bool stopped = false;
  /// The main thread has exited; the process may live on in other threads.
  bool main_thread_ended = false;
  /// The main thread is exiting.
  bool ending = false;
};

/// nullopt if the process is gone or the system does not report it.
[[nodiscard]] std::optional<ProcessState> process_state(std::int64_t pid) noexcept;

/// Whether the control group of a process is frozen: cgroup.freeze in version 2, freezer.state in version 1. A frozen
/// process looks like one that waits for something. False if the process is gone or the system does not report it.
[[nodiscard]] bool process_frozen(std::int64_t pid);

}  // namespace tenon::internal
