/// The interface of a command of the command line.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tools/tenon/failure.hpp"
#include "tools/tenon/world.hpp"

namespace tenon::cli {

/// Standard output of one command. It remembers the first failure and then writes nothing more.
class Output {
 public:
  explicit Output(const World& world) : world_(world) {}
  /// Returns false if nothing can be written any more.
  bool write(std::string_view text);
  /// Records a failure of a write that was made elsewhere.
  void note(Error error);
  /// Returns the first failure; nullopt if there was none.
  [[nodiscard]] const std::optional<Error>& error() const noexcept { return error_; }

 private:
  const World& world_;
  std::optional<Error> error_;
};

/// The environment of a running command.
struct Context {
  const World& world;
  Output output;
  /// --json.
  bool json = false;
  /// Whether each stream uses colors.
  bool color_output = false;
  bool color_error = false;
};

/// A row of the table of commands.
struct Command {
  std::string_view name;
  std::string_view summary;
  Outcome<ExitCode> (*run)(Context& context, const std::vector<std::string>& arguments);
};

Outcome<ExitCode> run_command(Context& context, const std::vector<std::string>& arguments);
Outcome<ExitCode> check_command(Context& context, const std::vector<std::string>& arguments);
Outcome<ExitCode> test_command(Context& context, const std::vector<std::string>& arguments);
Outcome<ExitCode> fmt_command(Context& context, const std::vector<std::string>& arguments);
Outcome<ExitCode> graph_command(Context& context, const std::vector<std::string>& arguments);
Outcome<ExitCode> list_command(Context& context, const std::vector<std::string>& arguments);
Outcome<ExitCode> inspect_command(Context& context, const std::vector<std::string>& arguments);
Outcome<ExitCode> conform_command(Context& context, const std::vector<std::string>& arguments);
Outcome<ExitCode> call_command(Context& context, const std::vector<std::string>& arguments);
Outcome<ExitCode> dev_command(Context& context, const std::vector<std::string>& arguments);
Outcome<ExitCode> serve_command(Context& context, const std::vector<std::string>& arguments);
Outcome<ExitCode> status_command(Context& context, const std::vector<std::string>& arguments);
Outcome<ExitCode> swap_command(Context& context, const std::vector<std::string>& arguments);
Outcome<ExitCode> rollback_command(Context& context, const std::vector<std::string>& arguments);
Outcome<ExitCode> quarantine_command(Context& context, const std::vector<std::string>& arguments);
Outcome<ExitCode> generations_command(Context& context, const std::vector<std::string>& arguments);
Outcome<ExitCode> events_command(Context& context, const std::vector<std::string>& arguments);
Outcome<ExitCode> pause_command(Context& context, const std::vector<std::string>& arguments);
Outcome<ExitCode> resume_command(Context& context, const std::vector<std::string>& arguments);
Outcome<ExitCode> drain_command(Context& context, const std::vector<std::string>& arguments);
Outcome<ExitCode> stop_command(Context& context, const std::vector<std::string>& arguments);

/// All commands, in the order of the help.
[[nodiscard]] std::span<const Command> commands() noexcept;

/// Runs the command line without the program's name; returns the exit code.
[[nodiscard]] int run(const World& world, const std::vector<std::string>& arguments);

}  // namespace tenon::cli
