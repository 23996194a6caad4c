/// The arguments and options of one command: their variables, their --help text and their errors.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/tenon/command.hpp"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace tenon::cli {

/// Hides CLI11 in one file: it consists of templates and inline code, which every command would
/// compile again.
///
/// `parse` fills the variables, which must outlive it. A name without dashes names a positional
/// argument.
class CommandLine {
 public:
  /// An added option or argument; valid as long as its command line.
  class Option {
   public:
    Option& required();
    /// The placeholder of the value in --help, as in "DIR".
    Option& type_name(std::string_view name);
    Option& positive();
    Option& between(std::uint64_t low, std::uint64_t high);
    /// Using this option without `other` is a usage error.
    Option& needs(Option other);

   private:
    friend class CommandLine;
    explicit Option(CLI::Option& option) : option_(&option) {}

    CLI::Option* option_;
  };

  /// `name` is the program and the command, as in "tenon run".
  CommandLine(std::string_view description, std::string_view name);
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;
  ~CommandLine();

  Option add(std::string_view name, std::string& value, std::string_view help);
  /// Collects all positional arguments from here on, or one value for each use of the option;
  /// values are not interpreted.
  Option add(std::string_view name, std::vector<std::string>& values, std::string_view help);
  Option add(std::string_view name, unsigned& value, std::string_view help);
  Option add(std::string_view name, std::uint64_t& value, std::string_view help);
  Option add(std::string_view name, std::optional<std::uint64_t>& value, std::string_view help);
  Option add_flag(std::string_view name, bool& value, std::string_view help);
  /// Sets the text below the options in --help, with an example.
  void footer(std::string_view text);

  /// Fills the variables from the arguments of the command. Also accepts --help, --json and
  /// --color. Returns false after writing the requested help. Errors: usage, with the nearest
  /// option for a misspelt one.
  [[nodiscard]] Outcome<bool> parse(Context& context, const std::vector<std::string>& arguments);

 private:
  void add_common_options();
  void unshield_values();

  std::unique_ptr<CLI::App> app_;
  std::vector<std::string*> texts_;
  std::vector<std::vector<std::string>*> lists_;
};

}  // namespace tenon::cli
