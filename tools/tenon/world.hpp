/// What the command line sees of the world, so that tests can give it another one.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include <tenon/bytes.hpp>
#include <tenon/error.hpp>

namespace tenon::cli {

struct World {
  /// Writes all of a text. Errors: kUnavailable when nobody reads any more; others by code.
  std::function<Result<void>(std::string_view)> write_output;
  /// The same for standard error; what fails there is lost. Called on any thread.
  std::function<void(std::string_view)> write_error;
  /// For log lines and progress on standard error: never waits for its reader; what does not fit is counted. Empty: as
  /// write_error. Called on any thread.
  std::function<void(std::string_view)> write_log;
  /// Waits for standard error's reader, at most for this long without progress; nothing waits for it afterwards. May be
  /// empty.
  std::function<void(std::chrono::milliseconds)> flush_error;
  /// Up to as many bytes as fit; 0 at the end. Errors: kCancelled when an interrupt came first.
  std::function<Result<std::size_t>(MutableBytesView)> read_input;
  /// An environment value.
  std::function<std::optional<std::string>(const std::string&)> variable;
  bool output_is_terminal = false;
  bool error_is_terminal = false;
  /// Columns of the streams now.
  std::function<unsigned()> output_width;
  std::function<unsigned()> error_width;
  /// The running program; plugins are looked for beside it.
  std::filesystem::path executable;
  /// Interrupts (Ctrl-C) so far. Valid as long as the world.
  const std::atomic<int>* interrupts = nullptr;
  /// Set when a thread is left behind that hangs in write_output. May be null.
  std::atomic<bool>* output_hangs = nullptr;

  void log(std::string_view text) const { (write_log ? write_log : write_error)(text); }
};

}  // namespace tenon::cli
