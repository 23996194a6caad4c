/// The environment of the command line. Tests provide their own.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <tenon/bytes.hpp>
#include <tenon/error.hpp>

namespace tenon {
class ByteInput;
class ByteOutput;
}  // namespace tenon

namespace tenon::cli {

struct World {
  /// Writes the whole text. Errors: kUnavailable if the reader has gone away; others by code.
  std::function<Result<void>(std::string_view)> write_output;
  /// Writes to standard error; failures are ignored. May be called on any thread.
  std::function<void(std::string_view)> write_error;
  /// Writes log lines and progress to standard error: never waits for the reader; lines that do not
  /// fit are counted. If empty, write_error is used. May be called on any thread.
  std::function<void(std::string_view)> write_log;
  /// Waits for the reader of standard error, at most for this long without progress; later writes
  /// do not wait for it. May be empty.
  std::function<void(std::chrono::milliseconds)> flush_error;
  /// Reads up to as many bytes as fit; 0 at the end. Errors: kCancelled if an interrupt came first.
  std::function<Result<std::size_t>(MutableBytesView)> read_input;
  /// Standard input and output for the pipelines of `tenon run`; null if they have none.
  std::shared_ptr<ByteInput> pipeline_input;
  std::shared_ptr<ByteOutput> pipeline_output;
  /// Returns an environment variable.
  std::function<std::optional<std::string>(const std::string&)> variable;
  bool input_is_terminal = false;
  bool output_is_terminal = false;
  bool error_is_terminal = false;
  /// The current widths of the streams in columns.
  std::function<unsigned()> output_width;
  std::function<unsigned()> error_width;
  /// The running program; plugins are searched for beside it.
  std::filesystem::path executable;
  /// The number of interrupts (Ctrl-C) so far. Valid as long as the world.
  const std::atomic<int>* interrupts = nullptr;
  /// Set if a thread that hangs in write_output is left behind. May be null.
  std::atomic<bool>* output_hangs = nullptr;

  void log(std::string_view text) const { (write_log ? write_log : write_error)(text); }
};

}  // namespace tenon::cli
