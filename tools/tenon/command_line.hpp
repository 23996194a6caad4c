/// The arguments and options of one command: what they fill, what --help tells of them, and their errors.
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

/// CLI11 behind one file: it is all templates and inline code, which every command would compile again.
///
/// The variables are filled by `parse` and must outlive it. A name without dashes is that of a positional argument.
class CommandLine {
 public:
  /// What has been added; as long as its command line.
  class Option {
   public:
    Option& required();
    /// What stands for the value in --help, as in "DIR".
    Option& type_name(std::string_view name);
    Option& positive();
    Option& between(std::uint64_t low, std::uint64_t high);
    /// Wrong usage without `other`.
    Option& needs(Option other);

   private:
    friend class CommandLine;
    explicit Option(CLI::Option& option) : option_(&option) {}

    CLI::Option* option_;
  };

  /// `name` is that of the command with its program, as in "tenon run".
  CommandLine(std::string_view description, std::string_view name);
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;
  ~CommandLine();

  Option add(std::string_view name, std::string& value, std::string_view help);
  /// All positional arguments from here on, or one value each time that the option is given; taken as they are.
  Option add(std::string_view name, std::vector<std::string>& values, std::string_view help);
  Option add(std::string_view name, unsigned& value, std::string_view help);
  Option add(std::string_view name, std::uint64_t& value, std::string_view help);
  Option add(std::string_view name, std::optional<std::uint64_t>& value, std::string_view help);
  Option add_flag(std::string_view name, bool& value, std::string_view help);
  /// Text below the options in --help, with an example.
  void footer(std::string_view text);

  /// Fills the variables from the arguments of the command. --help, --json and --color are taken too. False: help was
  /// asked for and has been written. Errors: usage, with the nearest option for a misspelt one.
  [[nodiscard]] Outcome<bool> parse(Context& context, const std::vector<std::string>& arguments);

 private:
  void add_common_options();
  void unshield_values();

  std::unique_ptr<CLI::App> app_;
  std::vector<std::string*> texts_;
  std::vector<std::vector<std::string>*> lists_;
};

}  // namespace tenon::cli
