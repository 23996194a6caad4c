#include "tools/tenon/command_line.hpp"

#include <utility>

#include <CLI/CLI.hpp>

#include "base/text.hpp"

namespace tenon::cli {

CommandLine::Option& CommandLine::Option::required() {
  option_->required();
  return *this;
}

CommandLine::Option& CommandLine::Option::type_name(std::string_view name) {
  option_->type_name(std::string(name));
  return *this;
}

CommandLine::Option& CommandLine::Option::positive() {
  option_->check(CLI::PositiveNumber);
  return *this;
}

CommandLine::Option& CommandLine::Option::between(std::uint64_t low, std::uint64_t high) {
  option_->check(CLI::Range(low, high));
  return *this;
}

CommandLine::Option& CommandLine::Option::needs(Option other) {
  option_->needs(other.option_);
  return *this;
}

CommandLine::CommandLine(std::string_view description, std::string_view name)
    : app_(std::make_unique<CLI::App>(std::string(description), std::string(name))) {}

CommandLine::~CommandLine() = default;

CommandLine::Option CommandLine::add(std::string_view name, std::string& value, std::string_view help) {
  return Option(*app_->add_option(std::string(name), value, std::string(help)));
}

CommandLine::Option CommandLine::add(std::string_view name, std::vector<std::string>& values, std::string_view help) {
  CLI::Option* const option = app_->add_option(std::string(name), values, std::string(help));
  // Else "[a,b]" would be taken apart, and an option swallow the positional arguments behind its value.
  option->allow_extra_args(false);
  if (!name.starts_with("-")) {
    option->expected(-1);
  }
  return Option(*option);
}

CommandLine::Option CommandLine::add(std::string_view name, unsigned& value, std::string_view help) {
  return Option(*app_->add_option(std::string(name), value, std::string(help)));
}

CommandLine::Option CommandLine::add(std::string_view name, std::uint64_t& value, std::string_view help) {
  return Option(*app_->add_option(std::string(name), value, std::string(help)));
}

CommandLine::Option CommandLine::add(std::string_view name, std::optional<std::uint64_t>& value,
                                     std::string_view help) {
  return Option(*app_->add_option(std::string(name), value, std::string(help)));
}

CommandLine::Option CommandLine::add_flag(std::string_view name, bool& value, std::string_view help) {
  return Option(*app_->add_flag(std::string(name), value, std::string(help)));
}

void CommandLine::footer(std::string_view text) {
  app_->footer(std::string(text));
}

void CommandLine::add_common_options() {
  // They were read before, for the errors of the rest; here --help shows them and the parser takes them.
  app_->add_flag_callback(
      "--json", [] {}, "Write what is reported, errors too, as JSON on standard output");
  app_->add_option_function<std::string>(
          "--color", [](const std::string&) {}, "When to use colors: auto, always or never; NO_COLOR turns auto off")
      ->type_name("WHEN")
      ->default_str("auto");
  app_->set_help_flag("-h,--help", "Show this text");
}

Outcome<bool> CommandLine::parse(Context& context, const std::vector<std::string>& arguments) {
  add_common_options();
  try {
    app_->parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
    return true;
  } catch (const CLI::CallForHelp&) {
    context.output.write(app_->help());
    return false;
  } catch (const CLI::ParseError& error) {
    const std::string see = "'" + app_->get_name() + " --help' shows the arguments";
    for (const std::string& extra : app_->remaining(true)) {
      if (!extra.starts_with("-") || extra == "-") {
        return usage_failure("unexpected argument '" + internal::printable(extra) + "'", see);
      }
      const std::string written = extra.substr(0, extra.find('='));
      std::vector<std::string> known;
      for (const CLI::Option* option : app_->get_options()) {
        for (const std::string& name : option->get_lnames()) {
          known.push_back("--" + name);
        }
      }
      std::string hint = internal::did_you_mean(written, known, 1);
      return usage_failure("unknown option '" + internal::printable(written) + "'",
                           hint.empty() ? see : std::move(hint));
    }
    return usage_failure(internal::printable(error.what(), 1000), see);
  }
}

}  // namespace tenon::cli
