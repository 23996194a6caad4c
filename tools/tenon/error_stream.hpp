/// Standard error of a command.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <tenon/error.hpp>

#include "platform/bounded_drain.hpp"

namespace tenon::cli {

/// Writes on a thread of its own, which may hang when nobody reads: a terminal after Ctrl-S, a pipe whose reader is
/// stopped. Texts keep their order. [any-thread]
class ErrorStream {
 public:
  struct Options {
    /// Writes all of a text; may block for ever.
    std::function<Result<void>(std::string_view)> write = {};
    /// Interrupts so far: one more ends a wait. Outlives the stream.
    const std::atomic<int>* interrupts = nullptr;
    /// A person who has stopped a terminal will let it run again.
    bool is_terminal = false;
    /// What the line about dropped ones begins with.
    std::string prefix = "tenon: warning: ";
    /// Log lines that wait; further ones are dropped and counted.
    std::size_t max_bytes = std::size_t{1} << 20;
    /// How long a wait goes on without progress once there are log lines.
    std::chrono::milliseconds patience{5000};
  };
  explicit ErrorStream(Options options);
  ErrorStream(const ErrorStream&) = delete;
  ErrorStream& operator=(const ErrorStream&) = delete;

  /// Returns once the text is written, an interrupt comes, or the stream has shown that nobody reads it.
  void write(std::string_view text);
  /// Never waits. Lines that do not fit are counted, and the count is written when there is room again.
  void log(std::string_view text);
  /// Waits until all is written, but no longer than `patience` without progress: what is left is given up then, and no
  /// later call waits. False when it did so.
  bool flush(std::chrono::milliseconds patience);
  /// Gives what waits a moment to be written before something goes to another stream of the same terminal.
  void settle();
  /// Waits at the end of a command, with the patience of `write`; nothing is written afterwards. False: a thread is
  /// left behind that hangs, and what the functions of the options refer to must live on.
  [[nodiscard]] bool finish();

 private:
  struct Shared;
  [[nodiscard]] bool wait(internal::DrainPatience patience);
  [[nodiscard]] internal::DrainPatience patience() const;

  const Options options_;
  const std::shared_ptr<Shared> shared_;
  internal::BoundedDrain<std::string> drain_;
  // Relaxed: they only shorten waits.
  std::atomic<bool> logged_{false};
  std::atomic<bool> given_up_{false};
  std::atomic<bool> interrupted_{false};
  std::atomic<bool> unsettled_{false};
};

}  // namespace tenon::cli
