#include "tools/tenon/command.hpp"

#include <algorithm>
#include <array>
#include <exception>
#include <utility>

#include "base/text.hpp"
#include "platform/resource_limits.hpp"
#include "tools/tenon/version.hpp"

namespace tenon::cli {
namespace {

constexpr std::array<Command, 18> kCommands = {{
    {"run", "run a pipeline", &run_command},
    {"check", "check pipeline files without running them", &check_command},
    {"graph", "print the graph of a pipeline", &graph_command},
    {"list", "list plugins and their tasks", &list_command},
    {"inspect", "show documentation and types of a plugin or a task", &inspect_command},
    {"conform", "compare two versions of a plugin", &conform_command},
    {"call", "call one task", &call_command},
    {"dev", "build a plugin on every save and swap it in", &dev_command},
    {"serve", "run pipelines and take calls as a daemon", &serve_command},
    {"status", "show what a daemon runs", &status_command},
    {"swap", "put a new version of a plugin into a daemon", &swap_command},
    {"rollback", "go back to the version of a plugin before", &rollback_command},
    {"generations", "list the versions of a daemon's plugins", &generations_command},
    {"events", "show what has happened to a daemon's plugins", &events_command},
    {"pause", "let a daemon's pipelines begin nothing new", &pause_command},
    {"resume", "let paused pipelines go on", &resume_command},
    {"drain", "stop the sources of pipelines and let them finish", &drain_command},
    {"stop", "end a daemon", &stop_command},
}};

constexpr std::array<std::string_view, 3> kColors = {"auto", "always", "never"};

/// What holds for every command and has to be known before its arguments are parsed, so that their errors too are
/// written as asked.
struct Globals {
  bool json = false;
  std::string color = "auto";
};

Globals read_globals(const std::vector<std::string>& arguments) {
  Globals globals;
  for (std::size_t i = 0; i < arguments.size() && arguments[i] != "--"; ++i) {
    if (arguments[i] == "--json") {
      globals.json = true;
    } else if (arguments[i] == "--color" && i + 1 < arguments.size()) {
      globals.color = arguments[i + 1];
    } else if (arguments[i].starts_with("--color=")) {
      globals.color = arguments[i].substr(std::string_view("--color=").size());
    }
  }
  return globals;
}

std::string main_help() {
  std::string text =
      "tenon runs tasks from plugins in worker processes.\n\n"
      "usage: tenon [--color auto|always|never] COMMAND [ARGUMENT...]\n"
      "       tenon --version | --help\n\ncommands:\n";
  for (const Command& command : kCommands) {
    text += "  " + std::string(command.name) + std::string(13 - command.name.size(), ' ');
    text += std::string(command.summary) + '\n';
  }
  text +=
      "\n'tenon COMMAND --help' shows the arguments of a command and an example.\n\n"
      "Plugins are looked for in the directories of --plugin-dir, in those of TENON_PLUGIN_PATH (separated by ':'),\n"
      "and in 'plugins' beside the directory of this program.\n\n"
      "exit codes: 0 done, 1 some items or the call failed, 2 wrong usage, 78 bad configuration, 130 interrupted\n";
  return text;
}

Outcome<ExitCode> dispatch(Context& context, const std::vector<std::string>& arguments) {
  std::size_t at = 0;
  while (at < arguments.size() && arguments[at].starts_with("-")) {
    const std::string& option = arguments[at];
    if (option == "--help" || option == "-h") {
      context.output.write(main_help());
      return ExitCode::kDone;
    }
    if (option == "--version") {
      context.output.write("tenon " + std::string(kVersion) + '\n');
      return ExitCode::kDone;
    }
    if (option == "--color") {
      at += 2;
    } else if (option == "--json" || option.starts_with("--color=")) {
      ++at;
    } else {
      static constexpr std::array<std::string_view, 4> kOptions = {"--help", "--version", "--color", "--json"};
      return usage_failure("unknown option '" + internal::printable(option) + "' before the command",
                           internal::did_you_mean(option, kOptions, 1));
    }
  }
  if (at >= arguments.size()) {
    return usage_failure("no command given", "'tenon --help' lists the commands");
  }
  const std::string& name = arguments[at];
  for (const Command& command : kCommands) {
    if (command.name == name) {
      return command.run(context, {arguments.begin() + static_cast<std::ptrdiff_t>(at) + 1, arguments.end()});
    }
  }
  std::vector<std::string> names;
  for (const Command& command : kCommands) {
    names.emplace_back(command.name);
  }
  std::string hint = internal::did_you_mean(name, names, 1);
  return usage_failure("there is no command '" + internal::printable(name) + "'",
                       hint.empty() ? "'tenon --help' lists the commands" : std::move(hint));
}

}  // namespace

std::span<const Command> commands() noexcept {
  return kCommands;
}

bool Output::write(std::string_view text) {
  if (error_) {
    return false;
  }
  if (auto written = world_.write_output(text); !written) {
    error_ = std::move(written.error());
    return false;
  }
  return true;
}

void Output::note(Error error) {
  if (!error_) {
    error_ = std::move(error);
  }
}

int run(const World& world, const std::vector<std::string>& arguments) {
  const Globals globals = read_globals(arguments);
  Context context{world, Output(world)};
  context.json = globals.json;
  const bool no_color = !world.variable("NO_COLOR").value_or("").empty();
  const bool always = globals.color == "always";
  const bool automatic = globals.color != "never" && !no_color;
  context.color_output = always || (automatic && world.output_is_terminal);
  context.color_error = always || (automatic && world.error_is_terminal);

  Outcome<ExitCode> outcome = ExitCode::kDone;
  if (std::find(kColors.begin(), kColors.end(), globals.color) == kColors.end()) {
    context.color_error = false;
    outcome = usage_failure("--color takes auto, always or never, not '" + internal::printable(globals.color) + "'");
  } else {
    try {
      outcome = dispatch(context, arguments);
    } catch (const std::bad_alloc&) {
      outcome = failure(ExitCode::kFailed,
                        Error{ErrorCode::kOutOfMemory, "out of memory" + internal::memory_limit_text(), {}});
    } catch (const std::exception& error) {
      outcome = failure(ExitCode::kFailed, Error{ErrorCode::kInternal, error.what(), {}},
                        "this is a bug in tenon; please report it");
    }
  }
  ExitCode exit = ExitCode::kDone;
  if (outcome) {
    exit = *outcome;
  } else {
    exit = outcome.error().exit;
    if (context.json) {
      context.output.write(to_json(outcome.error()));
    } else {
      world.write_error(to_text(outcome.error(), context.color_error));
    }
  }
  // A reader that went away has what it wanted: `tenon list | head -1` is no failure.
  if (context.output.error() && context.output.error()->code == ErrorCode::kCancelled) {
    exit = ExitCode::kInterrupted;  // Standard output was not read, and the user has waited long enough.
  } else if (context.output.error() && context.output.error()->code != ErrorCode::kUnavailable) {
    world.write_error(to_text(Failure{ExitCode::kFailed, *context.output.error(), {}, {}}, context.color_error));
    exit = exit == ExitCode::kDone ? ExitCode::kFailed : exit;
  }
  return static_cast<int>(exit);
}

}  // namespace tenon::cli
