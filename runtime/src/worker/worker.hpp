/// worker/worker.hpp: a worker: hand-shake, then calls until the host says stop or is gone.
#pragma once

#include <atomic>

#include <tenon/error.hpp>

#include "platform/control_channel.hpp"

namespace tenon::internal {

/// How run_worker ends, and the exit code of tenon-worker.
enum class WorkerExit : int {
  kStopped = 0,   ///< The host said stop.
  kHostGone = 3,  ///< The host closed its end.
  kRefused = 4,   ///< The hand-shake failed; the host has been told why if it could be.
  kBroken = 5,    ///< Host and worker do not understand each other.
};

struct WorkerOptions {
  /// A process of its own: ends itself at once when the host goes, takes rights away from itself. False for a worker
  /// on a thread of the host's process (tests).
  bool own_process = true;
  /// In a thread: set by who wants the worker to end, who then also wakes it. Must outlive the call.
  const std::atomic<bool>* killed = nullptr;
};

/// Runs a worker over `channel` on the calling thread, which becomes the task thread. Returns why it ended; `message`
/// says more when that is kRefused or kBroken.
[[nodiscard]] WorkerExit run_worker(ControlChannel channel, const WorkerOptions& options, std::string& message);

}  // namespace tenon::internal
