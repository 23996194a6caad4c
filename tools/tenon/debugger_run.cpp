#include "tools/tenon/debugger_run.hpp"

#include <chrono>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "base/text.hpp"
#include "platform/debugger.hpp"

namespace tenon::cli {
namespace {

constexpr std::string_view kPid = "{pid}";

/// Returns a line for sh, so that the command may have options and quotes.
std::string shell_line(std::string command, const std::string& pid) {
  std::string_view program = command;
  program = program.substr(0, program.find(' '));
  program.remove_prefix(program.rfind('/') == std::string_view::npos ? 0 : program.rfind('/') + 1);
  bool placed = false;
  for (std::size_t at = 0; (at = command.find(kPid, at)) != std::string::npos; at += pid.size()) {
    command.replace(at, kPid.size(), pid);
    placed = true;
  }
  if (!placed) {
    // The first call loads the plugin; until then a breakpoint in it is pending.
    command += (program.starts_with("gdb") ? " -iex 'set breakpoint pending on' -p " : " -p ") + pid;
  }
  return "exec " + command;
}

}  // namespace

// std::system provides what a debugger needs: a shell for its options, this terminal and process
// group, and Ctrl-C only for the debugger.
DebuggerRun::DebuggerRun(std::string line)
    : thread_([this, text = std::move(line)] {
        const int status = std::system(text.c_str());
        status_.store(status == kRuns ? 1 : status);
      }) {}

Outcome<std::unique_ptr<DebuggerRun>> DebuggerRun::start(const std::string& command, std::int64_t pid) {
  constexpr std::chrono::milliseconds kPollInterval(10);
  std::unique_ptr<DebuggerRun> run(new DebuggerRun(shell_line(command, std::to_string(pid))));
  while (!internal::debugger_attached(pid)) {
    if (const int status = run->status_.load(); status > 0) {
      return failure(ExitCode::kFailed,
                     Error{ErrorCode::kUnavailable,
                           "the debugger '" + internal::printable(command) +
                               "' failed before it attached to worker process " + std::to_string(pid),
                           {}},
                     "is it installed? --debug takes a command as you would type it, as in --debug 'gdb -q'");
    } else if (status == 0) {
      break;  // It attached and exited between two polls.
    }
    std::this_thread::sleep_for(kPollInterval);
  }
  return run;
}

}  // namespace tenon::cli
