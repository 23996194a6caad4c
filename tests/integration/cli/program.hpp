/// Runs build/bin/tenon as a user or a script does.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tenon_test/temporary_directory.hpp"

namespace tenon::test {

/// The destination of the program's standard output.
enum class OutputKind {
  kFile,         ///< `output()` reads it back.
  kClosed,       ///< The descriptor does not exist.
  kBrokenPipe,   ///< A pipe without a reader.
  kFullDevice,   ///< /dev/full: every write fails.
  kStuckPipe,    ///< A full pipe that is open but not read: every write waits forever.
  kStuckSocket,  ///< The same as a socket, as the service manager gives one to a unit.
};

struct ProgramOptions {
  std::string input;
  /// Set in the program's environment, in addition to the test's own. TENON_* and NO_COLOR of the
  /// test are not passed on.
  std::vector<std::pair<std::string, std::string>> environment;
  OutputKind output = OutputKind::kFile;
  /// The destination of standard error.
  OutputKind error = OutputKind::kFile;
  /// A limit that the shell's `ulimit` sets for the program, as in "-v 400000"; empty for none.
  std::string limit;
  /// Whether standard error is a terminal.
  bool terminal = false;
};

/// A running or finished `tenon`. The destructor kills it if it still runs.
class Program {
 public:
  explicit Program(const std::vector<std::string>& arguments, const ProgramOptions& options = {});
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program();

  /// Waits until the program counts interrupts, or has exited.
  void wait_until_ready() const;
  /// Waits until the terminal shows `text` on standard error; returns false if the program exits
  /// first.
  bool wait_for_error(const std::string& text);
  /// Does the same for a match of the regular expression `pattern`.
  bool wait_for_error_match(const std::string& pattern);
  void interrupt() const;
  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  /// Returns whether it is still running.
  [[nodiscard]] bool running();
  /// Returns the exit code, or 128 + the number of the signal that killed it. Kills it after two
  /// minutes and returns -1.
  int wait();

  [[nodiscard]] std::string output() const;
  [[nodiscard]] std::string error();

 private:
  bool wait_until(const std::function<bool()>& found);
  bool read_terminal(std::chrono::milliseconds timeout);
  TemporaryDirectory directory_;
  pid_t pid_ = -1;
  int terminal_ = -1;
  std::vector<int> stuck_pipes_;  // The read ends of the stuck pipes and sockets.
  std::string terminal_text_;
  std::optional<int> exit_;
};

/// A program that has exited.
struct Ended {
  int exit = -1;
  std::string output;
  std::string error;
};
[[nodiscard]] Ended tenon(const std::vector<std::string>& arguments, const ProgramOptions& options = {});

}  // namespace tenon::test
