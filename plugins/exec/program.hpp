/// Runs a program to its end: streams, limits, and everything that it leaves behind.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include <tenon/plugin.h>

#include "common/content.hpp"
#include "exec/child.hpp"
#include "exec/group_guard.hpp"

namespace exec {

struct ProgramRequest {
  /// The program and its arguments; not empty.
  std::vector<std::string> argv;
  /// The working directory; empty: that of this process.
  std::string directory;
  /// `NAME=value`; added to the environment of this process, or the whole environment except PATH.
  std::vector<std::string> environment;
  bool clear_environment = false;
  /// What the program reads; invalid for nothing.
  tenon::plugins::FileDescriptor input;
  /// 0 for none.
  std::chrono::milliseconds timeout{0};
  std::chrono::milliseconds kill_after{500};
  std::uint64_t max_memory_bytes = 0;
  std::uint64_t max_output_bytes = 0;
  /// Whether a program that writes more is killed; otherwise the rest is discarded.
  bool stop_at_long_output = true;
  std::size_t error_tail_bytes = 0;
};

/// How a program ended.
struct ProgramEnd {
  enum class Reason {
    kSelf,       ///< It exited, or a signal from elsewhere killed it.
    kTimeout,    ///< It exceeded `timeout`.
    kTooLong,    ///< It wrote more than `max_output_bytes`.
    kCallEnded,  ///< `poll` asked to stop.
  };
  Reason reason = Reason::kSelf;
  /// Its exit code; -1 if a signal killed it or the code is unknown because other code has reaped
  /// the process.
  int exit_code = -1;
  int signal = 0;
  std::string output;
  bool output_cut = false;
  std::string error_tail;
  std::chrono::duration<double> time{0};
};

/// A descriptor from which `data` can be read, from its start. Throws TaskError TENON_IO.
tenon::plugins::FileDescriptor memory_file(std::string_view data);

/// Runs one program after another. [task-thread]
class ProgramRunner {
 public:
  /// Returns TENON_OK while the result is still needed. Called about 50 times a second.
  using Poll = std::function<tenon_status_t()>;

  /// Runs a program until it has exited and its output has ended. Whatever it leaves running in its
  /// process group is then killed; a program that has exited but whose output is still open gets
  /// 1 s first. Throws TaskError if it cannot be started: TENON_NOT_FOUND, TENON_INVALID_ARGUMENT,
  /// TENON_TOO_LARGE, TENON_OUT_OF_MEMORY, TENON_UNAVAILABLE, TENON_IO.
  ProgramEnd run(const ProgramRequest& request, const Poll& poll);

 private:
  Child start(const ProgramRequest& request, const ChildRequest& streams);
  std::string find(const std::string& name, std::string_view search_path, std::string_view directory);

  GroupGuard guard_;
  ChildStack stack_;
  std::unordered_map<std::string, std::string> found_;  ///< PATH and name, to the file.
  std::vector<char> buffer_ = std::vector<char>(64u << 10);
};

}  // namespace exec
