#include "tools/tenon/command_text.hpp"

#include <algorithm>

#include "tools/tenon/version.hpp"

namespace tenon::cli {
namespace {

/// Escapes `text` for roff, so that no part of it is a request or an escape.
std::string escaped(std::string_view text) {
  std::string result;
  for (const char letter : text) {
    if (letter == '\\') {
      result += "\\e";
    } else if (letter == '-') {
      result += "\\-";
    } else {
      if ((letter == '.' || letter == '\'') && (result.empty() || result.back() == '\n')) {
        result += "\\&";
      }
      result += letter;
    }
  }
  return result;
}

std::string bold(std::string_view text) {
  return "\\fB" + escaped(text) + "\\fR";
}

std::string italic(std::string_view text) {
  return "\\fI" + escaped(text) + "\\fR";
}

std::string upper(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(), [](char letter) {
    return letter >= 'a' && letter <= 'z' ? static_cast<char>(letter - 'a' + 'A') : letter;
  });
  return result;
}

/// Returns the name of a manual page, "tenon-run" for "tenon run".
std::string page_name(std::string_view command) {
  std::string name(command);
  std::replace(name.begin(), name.end(), ' ', '-');
  return name;
}

std::string head(std::string_view command, std::string_view summary) {
  const std::string name = page_name(command);
  return ".TH " + upper(name) + " 1 \"\" \"tenon " + std::string(kVersion) + "\" \"tenon\"\n.SH NAME\n" +
         escaped(name) + " \\- " + escaped(summary) + "\n.SH SYNOPSIS\n";
}

/// Formats paragraphs. Text is filled, except for indented lines, which stay as they are.
std::string paragraphs(std::string_view text) {
  std::string result;
  bool verbatim = false;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    const bool indented = line.starts_with("  ");
    if (verbatim != indented && !line.empty()) {
      result += indented ? ".PP\n.RS 4\n.nf\n" : ".fi\n.RE\n";
      verbatim = indented;
    }
    if (line.empty()) {
      result += verbatim ? "\n" : ".PP\n";
    } else {
      result += escaped(indented ? line.substr(2) : line) + '\n';
    }
  }
  return verbatim ? result + ".fi\n.RE\n" : result;
}

/// Returns "FILE...", in brackets if it is optional.
std::string synopsis_of(const OptionText& argument) {
  std::string text = italic(argument.names.front()) + (argument.repeats ? "..." : "");
  return argument.required ? text : "[" + text + "]";
}

std::string entry(const OptionText& option) {
  std::string text = ".TP\n";
  if (option.positional()) {
    text += italic(option.names.front());
  } else {
    for (std::size_t i = 0; i < option.names.size(); ++i) {
      text += (i == 0 ? "" : ", ") + bold(option.names[i]);
    }
    if (!option.value.empty()) {
      text += ' ' + italic(option.value);
    }
  }
  return text + '\n' + escaped(option.help) + '\n';
}

}  // namespace

std::string manual_page(const CommandText& command, std::string_view summary) {
  std::string text = head(command.name, summary) + bold(command.name) + " [" + italic("OPTION") + "...]";
  for (const OptionText& option : command.options) {
    if (option.positional()) {
      text += ' ' + synopsis_of(option);
    }
  }
  text += "\n.SH DESCRIPTION\n" + paragraphs(command.description);
  for (const bool positional : {true, false}) {
    const auto is_one = [positional](const OptionText& option) { return option.positional() == positional; };
    if (std::any_of(command.options.begin(), command.options.end(), is_one)) {
      text += positional ? ".SH ARGUMENTS\n" : ".SH OPTIONS\n";
      for (const OptionText& option : command.options) {
        text += is_one(option) ? entry(option) : std::string();
      }
    }
  }
  if (!command.footer.empty()) {
    text += ".SH NOTES\n" + paragraphs(command.footer);
  }
  return text + ".SH SEE ALSO\n.BR tenon (1)\n";
}

std::string main_manual_page() {
  std::string text = head("tenon", "runs tasks from plugins in worker processes");
  text += bold("tenon") + " [" + bold("--color") + " " + italic("auto|always|never") + "] " + italic("COMMAND") + " [" +
          italic("ARGUMENT") + "...]\n.br\n" + bold("tenon") + " " + bold("--version") + " | " + bold("--help") +
          "\n.SH COMMANDS\n";
  for (const Command& command : commands()) {
    text += ".TP\n" + bold(command.name) + '\n' + escaped(command.summary) + "; see\n.BR tenon\\-" +
            escaped(command.name) + " (1)\n";
  }
  text += ".SH ENVIRONMENT\n";
  for (const auto& [name, meaning] : kVariables) {
    text += ".TP\n" + bold(name) + '\n' + escaped(meaning) + '\n';
  }
  text += ".SH EXIT STATUS\n";
  for (const auto& [code, meaning] : kExitMeanings) {
    text += ".TP\n" + bold(code) + '\n' + escaped(meaning) + '\n';
  }
  return text;
}

}  // namespace tenon::cli
