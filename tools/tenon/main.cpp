#include <atomic>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <tenon/bytes.hpp>
#include <tenon/error.hpp>
#include <tenon/pipeline.hpp>

#include "platform/environment.hpp"
#include "platform/interrupts.hpp"
#include "platform/process.hpp"
#include "platform/resource_limits.hpp"
#include "platform/signals.hpp"
#include "platform/standard_streams.hpp"
#include "tools/tenon/command.hpp"
#include "tools/tenon/error_stream.hpp"
#include "tools/tenon/world.hpp"

namespace {

namespace internal = tenon::internal;

/// Standard input, read by the thread of a run.
class StandardInput final : public tenon::ByteInput {
 public:
  tenon::Result<std::size_t> read(tenon::MutableBytesView buffer) override {
    return internal::read_standard_input(buffer, [this] { return cancelled_.load(std::memory_order_relaxed); });
  }
  void cancel() noexcept override { cancelled_.store(true, std::memory_order_relaxed); }

 private:
  std::atomic<bool> cancelled_{false};  // Relaxed: nothing else is published with it.
};

/// Standard output, written by the thread of a run.
class StandardOutput final : public tenon::ByteOutput {
 public:
  tenon::Result<void> write(tenon::BytesView bytes) override {
    return internal::write_standard(internal::StandardStream::kOutput,
                                    {reinterpret_cast<const char*>(bytes.data()), bytes.size()},
                                    [this] { return cancelled_.load(std::memory_order_relaxed); });
  }
  void cancel() noexcept override { cancelled_.store(true, std::memory_order_relaxed); }

 private:
  std::atomic<bool> cancelled_{false};  // Relaxed: nothing else is published with it.
};

}  // namespace

int main(int argc, char** argv) {
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

  const std::atomic<int>& interrupt_count = interrupts->count();
  const bool journal = !internal::get_environment("JOURNAL_STREAM").value_or("").empty();
  tenon::cli::ErrorStream errors(
      {.write = [](std::string_view text) { return internal::write_standard(StandardStream::kError, text); },
       .interrupts = &interrupt_count,
       .is_terminal = internal::is_terminal(StandardStream::kError),
       .prefix = journal ? "<4>tenon: warning: " : "tenon: warning: "});

  tenon::cli::World world;
  world.write_output = [&](std::string_view text) {
    errors.settle();
    const int before = interrupt_count.load(std::memory_order_relaxed);
    return internal::write_standard(StandardStream::kOutput, text, [&interrupt_count, before] {
      return interrupt_count.load(std::memory_order_relaxed) != before;
    });
  };
  world.write_error = [&](std::string_view text) { errors.write(text); };
  world.write_log = [&](std::string_view text) { errors.log(text); };
  world.flush_error = [&](std::chrono::milliseconds patience) { static_cast<void>(errors.flush(patience)); };
  world.read_input = [](tenon::MutableBytesView buffer) { return internal::read_standard_input(buffer); };
  world.pipeline_input = std::make_shared<StandardInput>();
  world.pipeline_output = std::make_shared<StandardOutput>();
  world.input_is_terminal = internal::is_terminal(StandardStream::kInput);
  world.variable = [](const std::string& name) { return internal::get_environment(name); };
  world.output_is_terminal = internal::is_terminal(StandardStream::kOutput);
  world.error_is_terminal = internal::is_terminal(StandardStream::kError);
  world.output_width = [] { return internal::terminal_width(StandardStream::kOutput); };
  world.error_width = [] { return internal::terminal_width(StandardStream::kError); };
  world.executable = internal::executable_path().value_or(std::filesystem::path());
  world.interrupts = &interrupt_count;
  std::atomic<bool> output_hangs{false};
  world.output_hangs = &output_hangs;
  const int code = tenon::cli::run(world, std::vector<std::string>(argv + (argc > 0 ? 1 : 0), argv + argc));
  if (!errors.finish() || output_hangs.load(std::memory_order_relaxed)) {
    internal::exit_now(code);  // A thread that hangs in a write uses objects on this stack.
  }
  return code;
}
