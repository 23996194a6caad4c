#include <filesystem>
#include <string>
#include <vector>

#include "platform/environment.hpp"
#include "platform/interrupts.hpp"
#include "platform/resource_limits.hpp"
#include "platform/signals.hpp"
#include "platform/standard_streams.hpp"
#include "tools/tenon/command.hpp"
#include "tools/tenon/world.hpp"

int main(int argc, char** argv) {
  namespace internal = tenon::internal;
  using internal::StandardStream;

  internal::reserve_standard_streams();
  internal::ignore_broken_pipe();
  internal::ignore_file_size_signal();
  if (const auto enough = internal::check_stack_limit("tenon"); !enough) {
    static_cast<void>(
        internal::write_standard(StandardStream::kError, "tenon: error: " + enough.error().message + '\n'));
    return static_cast<int>(tenon::cli::ExitCode::kFailed);
  }
  const auto interrupts = internal::InterruptCounter::install();
  if (!interrupts) {
    static_cast<void>(
        internal::write_standard(StandardStream::kError, "tenon: error: " + interrupts.error().message + '\n'));
    return static_cast<int>(tenon::cli::ExitCode::kFailed);
  }

  tenon::cli::World world;
  world.write_output = [](std::string_view text) { return internal::write_standard(StandardStream::kOutput, text); };
  world.write_error = [](std::string_view text) {
    static_cast<void>(internal::write_standard(StandardStream::kError, text));
  };
  world.read_input = [](tenon::MutableBytesView buffer) { return internal::read_standard_input(buffer); };
  world.variable = [](const std::string& name) { return internal::get_environment(name); };
  world.output_is_terminal = internal::is_terminal(StandardStream::kOutput);
  world.error_is_terminal = internal::is_terminal(StandardStream::kError);
  world.output_width = [] { return internal::terminal_width(StandardStream::kOutput); };
  world.error_width = [] { return internal::terminal_width(StandardStream::kError); };
  world.executable = internal::executable_path().value_or(std::filesystem::path());
  world.interrupts = &interrupts->count();
  return tenon::cli::run(world, std::vector<std::string>(argv + (argc > 0 ? 1 : 0), argv + argc));
}
