/// worker/worker.hpp: a worker: handshake, then calls until the host stops it or is gone.
#pragma once

#include <atomic>

#include <tenon/error.hpp>

#include "platform/control_channel.hpp"

namespace tenon::internal {

/// The result of run_worker, and the exit code of tenon-worker.
enum class WorkerExit : int {
  kStopped = 0,   ///< The host requested a stop.
  kHostGone = 3,  ///< The host closed its end.
  kRefused = 4,   ///< The handshake failed; the host has been told why, if possible.
  kBroken = 5,    ///< Host and worker do not match.
};

struct WorkerOptions {
  /// Whether the worker is a separate process: it then exits immediately when the host is gone, and
  /// restricts its own privileges. False for a worker on a thread of the host's process (tests).
  bool own_process = true;
  /// For a thread: set to stop the worker, which must then also be woken. Must outlive the call.
  const std::atomic<bool>* killed = nullptr;
};

/// Runs a worker over `channel` on the calling thread, which becomes the task thread. Returns why
/// it stopped; `message` gives details for kRefused and kBroken.
[[nodiscard]] WorkerExit run_worker(ControlChannel channel, const WorkerOptions& options, std::string& message);

}  // namespace tenon::internal
