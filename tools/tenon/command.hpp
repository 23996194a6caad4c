/// One command of the command line, and what all of them share.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tools/tenon/failure.hpp"
#include "tools/tenon/world.hpp"

namespace tenon::cli {

/// Standard output of one command: remembers the first failure, so that no write after it is tried.
class Output {
 public:
  explicit Output(const World& world) : world_(world) {}
  /// False once nothing can be written any more.
  bool write(std::string_view text);
  /// Remembers a failure of a write that was made elsewhere.
  void note(Error error);
  /// The first failure; nullopt while all went well.
  [[nodiscard]] const std::optional<Error>& error() const noexcept { return error_; }

 private:
  const World& world_;
  std::optional<Error> error_;
};

/// What a command gets.
struct Context {
  const World& world;
  Output output;
  /// --json.
  bool json = false;
  /// Whether to color each of the streams.
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
