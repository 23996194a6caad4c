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

/// Writes on a separate thread, which may block while the stream is not read: a terminal after
/// Ctrl-S, or a pipe whose reader is stopped. Texts keep their order. [any-thread]
class ErrorStream {
 public:
  struct Options {
    /// Writes the whole text; may block forever.
    std::function<Result<void>(std::string_view)> write = {};
    /// The number of interrupts so far; a further one ends a wait. Must outlive the stream.
    const std::atomic<int>* interrupts = nullptr;
    /// A user who has stopped a terminal will resume it.
    bool is_terminal = false;
    /// The start of the line about dropped lines.
    std::string prefix = "tenon: warning: ";
    /// How many bytes of log lines may wait; further lines are dropped and counted.
    std::size_t max_bytes = std::size_t{1} << 20;
    /// How long a wait may last without progress after there have been log lines.
    std::chrono::milliseconds patience{5000};
  };
  explicit ErrorStream(Options options);
  ErrorStream(const ErrorStream&) = delete;
  ErrorStream& operator=(const ErrorStream&) = delete;

  /// Returns after the text is written, after an interrupt, or when the stream is known to be
  /// unread.
  void write(std::string_view text);
  /// Never waits. Lines that do not fit are counted; the count is written as soon as there is room.
  void log(std::string_view text);
  /// Waits until everything is written, but at most for `patience` without progress. Returns false
  /// if it gave up; the rest is then discarded, and no later call waits.
  bool flush(std::chrono::milliseconds patience);
  /// Gives waiting texts a moment to be written before output to another stream of the same
  /// terminal.
  void settle();
  /// Waits at the end of a command, with the patience of `write`; nothing is written afterwards.
  /// Returns false if it leaves a hung thread behind; the objects that the functions of the options
  /// use must then stay alive.
  [[nodiscard]] bool finish();

 private:
  struct Shared;
  [[nodiscard]] bool wait(internal::DrainPatience patience);
  [[nodiscard]] internal::DrainPatience patience() const;

  const Options options_;
  const std::shared_ptr<Shared> shared_;
  internal::BoundedDrain<std::string> drain_;
  // Relaxed: these flags only shorten waits.
  std::atomic<bool> logged_{false};
  std::atomic<bool> given_up_{false};
  std::atomic<bool> interrupted_{false};
  std::atomic<bool> unsettled_{false};
};

}  // namespace tenon::cli
