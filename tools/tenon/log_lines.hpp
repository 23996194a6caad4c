/// Writes log lines of the runtime and of tasks to standard error.
#pragma once

#include <memory>
#include <string>

#include <tenon/log.hpp>

#include "tools/tenon/progress.hpp"

namespace tenon::cli {

/// Returns "tenon: warning: text.count: message" with a newline.
[[nodiscard]] std::string to_text(const LogRecord& record, bool color);

/// Writes log lines above a status line. Consecutive repetitions of a line are counted; the count
/// is written when another line comes or on `flush`. [any-thread]
class LogLines {
 public:
  /// Writes lines at level `least` and above; `status` must outlive this object and all sinks.
  LogLines(StatusLine& status, LogLevel least, bool color);
  LogLines(const LogLines&) = delete;
  LogLines& operator=(const LogLines&) = delete;
  /// Flushes.
  ~LogLines();

  [[nodiscard]] LogSink sink() const;
  void flush();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace tenon::cli
