/// A debugger that `tenon call --debug` starts on its worker.
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
  /// Starts `command` with "-p <pid>" behind it, or with the number in the place of "{pid}", on this process's
  /// terminal, and waits until it has attached or has ended. Errors: it failed without having attached.
  [[nodiscard]] static Outcome<std::unique_ptr<DebuggerRun>> start(const std::string& command, std::int64_t pid);
  DebuggerRun(const DebuggerRun&) = delete;
  DebuggerRun& operator=(const DebuggerRun&) = delete;
  /// Waits until the person has left the debugger.
  ~DebuggerRun() { thread_.join(); }

 private:
  explicit DebuggerRun(std::string line);

  static constexpr int kRuns = -1;
  std::atomic<int> status_{kRuns};  // What the command ended with.
  std::thread thread_;
};

}  // namespace tenon::cli
