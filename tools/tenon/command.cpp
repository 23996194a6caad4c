#include "tools/tenon/command.hpp"

#include <algorithm>
#include <array>
#include <exception>
#include <utility>

#include "base/text.hpp"
#include "base/try.hpp"
#include "platform/resource_limits.hpp"
#include "tools/tenon/command_text.hpp"
#include "tools/tenon/new_plugin.hpp"
#include "tools/tenon/version.hpp"

namespace tenon::cli {
namespace {

constexpr auto kCommands = std::to_array<Command>({
    {"run", "run a pipeline", &run_command},
    {"check", "check pipeline files without running them", &check_command},
    {"test", "run the tests of pipelines", &test_command},
    {"fmt", "lay out pipeline files in the usual way", &fmt_command},
    {"graph", "print the graph of a pipeline", &graph_command},
    {"list", "list plugins and their tasks", &list_command},
    {"inspect", "show documentation and types of a plugin or a task", &inspect_command},
    {"conform", "compare two versions of a plugin", &conform_command},
    {"call", "call one task", &call_command},
    {"new", "write the start of a plugin or a pipeline", &new_command},
    {"dev", "build a plugin on every save and swap it in", &dev_command},
    {"serve", "run pipelines and serve calls as a daemon", &serve_command},
    {"status", "show what a daemon runs", &status_command},
    {"swap", "switch a daemon to another version of a plugin", &swap_command},
    {"rollback", "return to the previous version of a plugin", &rollback_command},
    {"quarantine", "list quarantined plugin versions and release them", &quarantine_command},
    {"generations", "list the versions of a daemon's plugins", &generations_command},
    {"events", "show what has happened to a daemon's plugins", &events_command},
    {"pause", "pause the pipelines of a daemon", &pause_command},
    {"resume", "resume paused pipelines", &resume_command},
    {"drain", "stop the sources of pipelines and let them finish", &drain_command},
    {"stop", "stop a daemon", &stop_command},
    {"completion", "print the completion script for a shell", &completion_command},
    {"help", "show the arguments of a command and an example", &help_command},
});

/// Names that other programs use, and the tenon command with that meaning.
constexpr auto kElsewhere = std::to_array<std::pair<std::string_view, std::string_view>>({
    {"exec", "run"},
    {"execute", "run"},
    {"start", "run"},
    {"pipeline", "run"},
    {"validate", "check"},
    {"lint", "check"},
    {"verify", "check"},
    {"format", "fmt"},
    {"draw", "graph"},
    {"plot", "graph"},
    {"dot", "graph"},
    {"ls", "list"},
    {"plugins", "list"},
    {"tasks", "list"},
    {"show", "inspect"},
    {"describe", "inspect"},
    {"diff", "conform"},
    {"compare", "conform"},
    {"invoke", "call"},
    {"watch", "dev"},
    {"develop", "dev"},
    {"daemon", "serve"},
    {"server", "serve"},
    {"top", "status"},
    {"ps", "status"},
    {"stat", "status"},
    {"info", "status"},
    {"health", "status"},
    {"reload", "swap"},
    {"update", "swap"},
    {"upgrade", "swap"},
    {"deploy", "swap"},
    {"revert", "rollback"},
    {"undo", "rollback"},
    {"versions", "generations"},
    {"history", "generations"},
    {"log", "events"},
    {"logs", "events"},
    {"journal", "events"},
    {"suspend", "pause"},
    {"continue", "resume"},
    {"unpause", "resume"},
    {"finish", "drain"},
    {"kill", "stop"},
    {"quit", "stop"},
    {"exit", "stop"},
    {"shutdown", "stop"},
    {"completions", "completion"},
    {"bash", "completion"},
    {"zsh", "completion"},
    {"fish", "completion"},
    {"man", "help"},
    {"usage", "help"},
});

/// The command that shell completions call; no help text names it.
constexpr std::string_view kComplete = "complete";

constexpr std::array<std::string_view, 3> kColors = {"auto", "always", "never"};

/// Options of every command that must be known before its arguments are parsed, because they also
/// apply to errors in the arguments.
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

/// Returns whether a short word is a typing error for `name`. A wrong first letter makes it a
/// different word, such as "top" for "stop".
bool may_mean(std::string_view word, std::string_view name) {
  constexpr std::size_t kShort = 4;
  if (word.empty() || std::min(word.size(), name.size()) > kShort || word.front() == name.front()) {
    return true;
  }
  return word.size() == name.size() && std::is_permutation(word.begin(), word.end(), name.begin());
}

}  // namespace

Outcome<const Command*> find_command(std::string_view name) {
  const auto named = [](std::string_view wanted) {
    return std::find_if(kCommands.begin(), kCommands.end(),
                        [wanted](const Command& command) { return command.name == wanted; });
  };
  if (const auto* const found = named(name); found != kCommands.end()) {
    return found;
  }
  const std::string refusal = "there is no command '" + internal::printable(name) + "'";
  for (const auto& [word, command] : kElsewhere) {
    if (word == name) {
      return usage_failure(refusal, "'tenon " + std::string(command) + "': " + std::string(named(command)->summary));
    }
  }
  std::vector<std::string_view> names;
  for (const Command& command : kCommands) {
    if (may_mean(name, command.name)) {
      names.push_back(command.name);
    }
  }
  std::string hint = internal::did_you_mean(name, names, 1);
  return usage_failure(refusal, hint.empty() ? "'tenon --help' lists the commands" : std::move(hint));
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
      "\n'tenon help COMMAND' shows the arguments of a command and an example.\n\n"
      "Plugins are searched for in the directories of --plugin-dir, in those of TENON_PLUGIN_PATH (separated by ':'),\n"
      "and in 'plugins' beside the directory of this program.\n\nexit codes: ";
  for (const auto& [code, meaning] : kExitMeanings) {
    text += (code == kExitMeanings.front().first ? "" : ", ") + std::string(code) + ' ' + std::string(meaning);
  }
  return text + '\n';
}

namespace {

Outcome<ExitCode> dispatch(Context& context, const std::vector<std::string>& arguments) {
  std::size_t at = 0;
  while (at < arguments.size() && arguments[at].starts_with("-")) {
    const std::string& option = arguments[at];
    if (option == "--help" || option == "-h") {
      context.output.write(main_help());
      return ExitCode::kDone;
    }
    if (option == "--version" || option == "-V") {
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
  if (arguments[at] == kComplete) {
    return complete_command(context, {arguments.begin() + static_cast<std::ptrdiff_t>(at) + 1, arguments.end()});
  }
  TENON_ASSIGN(auto command, find_command(arguments[at]));
  return command->run(context, {arguments.begin() + static_cast<std::ptrdiff_t>(at) + 1, arguments.end()});
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
  // A reader that went away has all it wanted: `tenon list | head -1` is not a failure.
  if (context.output.error() && context.output.error()->code == ErrorCode::kCancelled) {
    // Standard output was not read, and the user has interrupted the wait.
    exit = ExitCode::kInterrupted;
  } else if (context.output.error() && context.output.error()->code != ErrorCode::kUnavailable) {
    world.write_error(to_text(Failure{ExitCode::kFailed, *context.output.error(), {}, {}}, context.color_error));
    exit = exit == ExitCode::kDone ? ExitCode::kFailed : exit;
  }
  return static_cast<int>(exit);
}

}  // namespace tenon::cli
