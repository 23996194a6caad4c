/// The commands that describe other commands: help, manual pages and completions.
#include <string>
#include <vector>

#include "base/text.hpp"
#include "base/try.hpp"
#include "tools/tenon/command.hpp"
#include "tools/tenon/command_line.hpp"
#include "tools/tenon/command_text.hpp"
#include "tools/tenon/complete.hpp"
#include "tools/tenon/completion_scripts.hpp"

namespace tenon::cli {

Outcome<ExitCode> help_command(Context& context, const std::vector<std::string>& arguments) {
  CommandLine line("Shows the arguments of a command and an example, or the list of commands.", "tenon help");
  std::string name;
  bool man = false;
  line.add("COMMAND", name, "The command; without it, all commands are listed");
  line.add_flag("--man", man, "Write the manual page, for man");
  line.footer("Examples:\n  tenon help run\n  tenon help --man run | man -l -");
  if (auto proceed = line.parse(context, arguments); !proceed || !*proceed) {
    return proceed.map([](bool) { return ExitCode::kDone; });
  }
  if (name.empty()) {
    context.output.write(man ? main_manual_page() : main_help());
    return ExitCode::kDone;
  }
  TENON_ASSIGN(auto command, find_command(name));
  if (man) {
    context.output.write(manual_page(describe(context.world, *command), command->summary));
    return ExitCode::kDone;
  }
  return command->run(context, {"--help"});
}

Outcome<ExitCode> completion_command(Context& context, const std::vector<std::string>& arguments) {
  CommandLine line("Prints the script that makes a shell complete commands, options, plugins and tasks.",
                   "tenon completion");
  std::string shell;
  line.add("SHELL", shell, "The shell").type_name("bash|zsh|fish").required();
  line.footer(
      "An installed tenon has its scripts where shells find them. Otherwise:\n\n"
      "Examples:\n"
      "  source <(tenon completion bash)                            in ~/.bashrc\n"
      "  source <(tenon completion zsh)                             in ~/.zshrc, below compinit\n"
      "  tenon completion fish > ~/.config/fish/completions/tenon.fish");
  if (auto proceed = line.parse(context, arguments); !proceed || !*proceed) {
    return proceed.map([](bool) { return ExitCode::kDone; });
  }
  for (const CompletionScript& script : kCompletionScripts) {
    if (script.shell == shell) {
      context.output.write(script.text);
      return ExitCode::kDone;
    }
  }
  return usage_failure("there is no completion for '" + internal::printable(shell) + "'",
                       "the shells are bash, zsh and fish");
}

Outcome<ExitCode> complete_command(Context& context, const std::vector<std::string>& arguments) {
  // These arguments are the words of another command line, so they are not parsed here.
  const std::size_t skipped = !arguments.empty() && arguments.front() == "--" ? 1 : 0;
  const Candidates found =
      complete(context.world, {arguments.begin() + static_cast<std::ptrdiff_t>(skipped), arguments.end()});
  for (const Candidate& candidate : found.words) {
    context.output.write(candidate.word + '\t' + internal::printable(candidate.meaning) + '\n');
  }
  context.output.write(found.more == MoreCandidates::kFiles         ? ":files\n"
                       : found.more == MoreCandidates::kDirectories ? ":directories\n"
                                                                    : ":nothing\n");
  return ExitCode::kDone;
}

}  // namespace tenon::cli
