#include "tools/tenon/command_line.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include <CLI/CLI.hpp>

#include "base/text.hpp"
#include "tools/tenon/command_text.hpp"

namespace tenon::cli {
namespace {

/// The parser splits a word in brackets as a list. A leading space, which is removed after parsing,
/// prevents that.
std::string shield(std::string word) {
  if (word.starts_with('[') || word.starts_with(' ')) {
    word.insert(0, 1, ' ');
  }
  return word;
}

void unshield(std::string& word) {
  if (word.starts_with(' ')) {
    word.erase(0, 1);
  }
}

}  // namespace

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
  texts_.push_back(&value);
  return Option(*app_->add_option(std::string(name), value, std::string(help)));
}

CommandLine::Option CommandLine::add(std::string_view name, std::vector<std::string>& values, std::string_view help) {
  CLI::Option* const option = app_->add_option(std::string(name), values, std::string(help));
  if (name.starts_with("-")) {
    // Otherwise it would consume the positional arguments behind its value.
    option->allow_extra_args(false);
  } else {
    option->expected(-1);
  }
  lists_.push_back(&values);
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
  // --json and --color were read earlier, for errors in the rest. Here they are added for --help
  // and for the parser.
  app_->add_flag_callback(
      "--json", [] {}, "Write all output, including errors, as JSON on standard output");
  app_->add_option_function<std::string>(
          "--color", [](const std::string&) {}, "When to use colors; NO_COLOR turns auto off")
      ->type_name("auto|always|never")
      ->default_str("auto");
  app_->set_help_flag("-h,--help", "Show this help");
}

void CommandLine::unshield_values() {
  for (std::string* text : texts_) {
    unshield(*text);
  }
  for (std::vector<std::string>* list : lists_) {
    for (std::string& text : *list) {
      unshield(text);
    }
  }
}

namespace {

/// While this is set, a command describes its command line here instead of running. A command is a
/// function that builds its command line and parses it, so only the parser can stop it in between.
thread_local CommandText* described = nullptr;

CommandText text_of(const CLI::App& app) {
  CommandText text;
  text.name = app.get_name();
  text.description = app.get_description();
  text.footer = app.get_footer();
  for (const CLI::Option* const option : app.get_options()) {
    OptionText each;
    for (const std::string& name : option->get_lnames()) {
      each.names.push_back("--" + name);
    }
    for (const std::string& name : option->get_snames()) {
      each.names.push_back("-" + name);
    }
    const bool positional = each.names.empty();
    if (positional) {
      each.names.push_back(option->get_name());
    }
    const bool takes_value = option->get_items_expected_max() != 0;
    // The checks of the value follow after a colon.
    const std::string type = option->get_type_name();
    each.value = takes_value ? type.substr(0, type.find(':')) : std::string();
    if (positional && each.value == "TEXT") {
      each.value.clear();  // The parser uses this name for an ordinary text.
    }
    each.help = option->get_description();
    each.required = option->get_required();
    each.repeats = takes_value && option->get_expected_max() > 1;
    text.options.push_back(std::move(each));
  }
  return text;
}

}  // namespace

CommandText describe(const World& world, const Command& command) {
  Context context{world, Output(world)};
  CommandText text;
  described = &text;
  static_cast<void>(command.run(context, {}));
  described = nullptr;
  return text;
}

Outcome<bool> CommandLine::parse(Context& context, const std::vector<std::string>& arguments) {
  add_common_options();
  if (described != nullptr) {
    *described = text_of(*app_);
    return false;
  }
  std::vector<std::string> words;
  std::transform(arguments.rbegin(), arguments.rend(), std::back_inserter(words), shield);
  try {
    app_->parse(std::move(words));
    unshield_values();
    return true;
  } catch (const CLI::CallForHelp&) {
    context.output.write(app_->help());
    return false;
  } catch (const CLI::ParseError& error) {
    const std::string see = "'" + app_->get_name() + " --help' shows the arguments";
    for (std::string extra : app_->remaining(true)) {
      unshield(extra);
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
