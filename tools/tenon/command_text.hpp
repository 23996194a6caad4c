/// What the command line of a command looks like, as data, and the texts that are made from it: --help, manual pages
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
  /// "--workers", "-h"; the long form comes first. For a positional argument its name, as in "FILE".
  std::vector<std::string> names;
  /// What stands for the value; words to choose from are separated by '|'. Empty for a flag.
  std::string value;
  std::string help;
  bool required = false;
  /// May be given several times.
  bool repeats = false;

  [[nodiscard]] bool positional() const { return !names.front().starts_with('-'); }
  [[nodiscard]] bool flag() const { return value.empty() && !positional(); }
};

/// What --help of one command tells.
struct CommandText {
  /// With the program, as in "tenon run".
  std::string name;
  std::string description;
  std::vector<OptionText> options;
  std::string footer;
};

/// The command of that name. Errors: usage, with the command that was probably meant.
[[nodiscard]] Outcome<const Command*> find_command(std::string_view name);

/// Asks a command for its command line without running it. [any-thread]
[[nodiscard]] CommandText describe(const World& world, const Command& command);

/// What `tenon --help` writes. [any-thread]
[[nodiscard]] std::string main_help();
/// A manual page of section 1, for man(7). [any-thread]
[[nodiscard]] std::string manual_page(const CommandText& command, std::string_view summary);
/// The page of the program itself: all commands, the environment and the exit codes. [any-thread]
[[nodiscard]] std::string main_manual_page();

// Commands about commands.
Outcome<ExitCode> help_command(Context& context, const std::vector<std::string>& arguments);
Outcome<ExitCode> completion_command(Context& context, const std::vector<std::string>& arguments);
/// For the scripts of the shells; no help names it.
Outcome<ExitCode> complete_command(Context& context, const std::vector<std::string>& arguments);

/// What the environment says, and what exit codes mean, for every command.
inline constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kVariables = {{
    {"TENON_PLUGIN_PATH", "directories to look for plugins in, separated by ':', after those of --plugin-dir"},
    {"TENON_SOCKET", "the socket of the daemon that a command talks to when it has no --socket"},
    {"TENON_WORKER", "the worker's program; by default the one beside this program"},
    {"TENON_DEBUG", "lets debuggers attach to workers where a process may debug only its own children"},
    {"XDG_CACHE_HOME", "where descriptions of plugins and copies of served ones are kept"},
    {"NO_COLOR", "turns colors off"},
}};
inline constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kExitMeanings = {{
    {"0", "done"},
    {"1", "some items or the call failed"},
    {"2", "wrong usage"},
    {"78", "bad configuration"},
    {"130", "interrupted"},
}};

}  // namespace tenon::cli
