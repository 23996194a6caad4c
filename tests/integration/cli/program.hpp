/// Runs build/bin/tenon as a person or a script does.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tenon_test/temporary_directory.hpp"

namespace tenon::test {

/// Where standard output of the program goes.
enum class OutputKind {
  kFile,        ///< Read back by `output()`.
  kClosed,      ///< The descriptor does not exist.
  kBrokenPipe,  ///< A pipe that nobody reads.
  kFullDevice,  ///< /dev/full: each write fails.
  kStuckPipe,   ///< A full pipe that is open, and that nobody reads: each write waits for ever.
};

struct ProgramOptions {
  std::string input;
  /// Set in the program's environment, over the test's own; TENON_* and NO_COLOR of the test are not handed on.
  std::vector<std::pair<std::string, std::string>> environment;
  OutputKind output = OutputKind::kFile;
  /// The same for standard error.
  OutputKind error = OutputKind::kFile;
  /// A limit set by the shell's `ulimit` for the program, as in "-v 400000"; empty for none.
  std::string limit;
  /// Whether standard error is a terminal.
  bool terminal = false;
};

/// A running or ended `tenon`. The destructor kills what still runs.
class Program {
 public:
  explicit Program(const std::vector<std::string>& arguments, const ProgramOptions& options = {});
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program();

  /// Waits until the program counts interrupts, or has ended.
  void wait_until_ready() const;
  /// With a terminal: waits until standard error holds `text`; false when the program ended first.
  bool wait_for_error(const std::string& text);
  void interrupt() const;
  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  /// Whether it has not ended.
  [[nodiscard]] bool running();
  /// Exit code; 128 + the number of a signal that ended it. Kills it after two minutes and gives -1.
  int wait();

  [[nodiscard]] std::string output() const;
  [[nodiscard]] std::string error();

 private:
  bool read_terminal(std::chrono::milliseconds timeout);
  TemporaryDirectory directory_;
  pid_t pid_ = -1;
  int terminal_ = -1;
  std::vector<int> stuck_pipes_;  // Their ends for reading.
  std::string terminal_text_;
  std::optional<int> exit_;
};

/// A program that has ended.
struct Ended {
  int exit = -1;
  std::string output;
  std::string error;
};
[[nodiscard]] Ended tenon(const std::vector<std::string>& arguments, const ProgramOptions& options = {});

}  // namespace tenon::test
