/// Runs a debugger for `tenon call --debug` on its worker.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "tools/tenon/failure.hpp"

namespace tenon::cli {

class DebuggerRun {
 public:
  /// Starts `command` on this process's terminal, with "-p <pid>" appended, or with the process
  /// number in place of "{pid}". Waits until it has attached or exited. Errors: it failed before it
  /// attached.
  [[nodiscard]] static Outcome<std::unique_ptr<DebuggerRun>> start(const std::string& command, std::int64_t pid);
  DebuggerRun(const DebuggerRun&) = delete;
  DebuggerRun& operator=(const DebuggerRun&) = delete;
  /// Waits until the user has left the debugger.
  ~DebuggerRun() { thread_.join(); }

 private:
  explicit DebuggerRun(std::string line);

  static constexpr int kRuns = -1;
  std::atomic<int> status_{kRuns};  // The exit status of the command.
  std::thread thread_;
};

}  // namespace tenon::cli
