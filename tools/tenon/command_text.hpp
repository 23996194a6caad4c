/// The command line of a command as data, and the texts that are made from it: --help, manual pages
/// and completions all come from the same calls of CommandLine::add.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tools/tenon/command.hpp"

namespace tenon::cli {

/// One option or positional argument.
struct OptionText {
  /// "--workers", "-h"; the long form comes first. The name of a positional argument, as in "FILE".
  std::vector<std::string> names;
  /// The placeholder of the value; alternatives are separated by '|'. Empty for a flag.
  std::string value;
  std::string help;
  bool required = false;
  /// Whether it may be given several times.
  bool repeats = false;

  [[nodiscard]] bool positional() const { return !names.front().starts_with('-'); }
  [[nodiscard]] bool flag() const { return value.empty() && !positional(); }
};

/// The content of --help for one command.
struct CommandText {
  /// With the program's name, as in "tenon run".
  std::string name;
  std::string description;
  std::vector<OptionText> options;
  std::string footer;
};

/// Returns the command with that name. Errors: usage, with the command that was probably meant.
[[nodiscard]] Outcome<const Command*> find_command(std::string_view name);

/// Returns the command line of a command without running it. [any-thread]
[[nodiscard]] CommandText describe(const World& world, const Command& command);

/// Returns the text that `tenon --help` writes. [any-thread]
[[nodiscard]] std::string main_help();
/// Returns a manual page of section 1, for man(7). [any-thread]
[[nodiscard]] std::string manual_page(const CommandText& command, std::string_view summary);
/// Returns the manual page of the program itself: all commands, the environment and the exit codes.
/// [any-thread]
[[nodiscard]] std::string main_manual_page();

// Commands about commands.
Outcome<ExitCode> help_command(Context& context, const std::vector<std::string>& arguments);
Outcome<ExitCode> completion_command(Context& context, const std::vector<std::string>& arguments);
/// For the completion scripts of shells; no help text names it.
Outcome<ExitCode> complete_command(Context& context, const std::vector<std::string>& arguments);

/// The environment variables and the exit codes of every command.
inline constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kVariables = {{
    {"TENON_PLUGIN_PATH", "directories that are searched for plugins, separated by ':', after those of --plugin-dir"},
    {"TENON_SOCKET", "the socket of the daemon that a command talks to when it has no --socket"},
    {"TENON_WORKER", "the worker program; default: the one beside this program"},
    {"TENON_DEBUG", "lets debuggers attach to workers on systems where a process may only debug its own children"},
    {"XDG_CACHE_HOME", "the directory for descriptions of plugins and for copies of served plugins"},
    {"NO_COLOR", "turns colors off"},
}};
inline constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kExitMeanings = {{
    {"0", "done"},
    {"1", "some items or the call failed"},
    {"2", "usage error"},
    {"78", "bad configuration"},
    {"130", "interrupted"},
}};

}  // namespace tenon::cli
