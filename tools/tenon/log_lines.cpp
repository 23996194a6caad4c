#include "tools/tenon/log_lines.hpp"

#include <cstdint>
#include <utility>

#include "base/guarded.hpp"
#include "base/short_hash.hpp"
#include "base/text.hpp"

namespace tenon::cli {

std::string to_text(const LogRecord& record, bool color) {
  std::string_view name = "info";
  std::string_view paint = "\x1b[0m";
  switch (record.level) {
    case LogLevel::kDebug:
      name = "debug";
      break;
    case LogLevel::kInfo:
      break;
    case LogLevel::kWarning:
      name = "warning";
      paint = "\x1b[1;33m";
      break;
    case LogLevel::kError:
      name = "error";
      paint = "\x1b[1;31m";
      break;
  }
  std::string text = "tenon: ";
  if (color) {
    text += paint;
  }
  text += name;
  text += ':';
  if (color) {
    text += "\x1b[0m";
  }
  text += ' ';
  if (const std::string_view about = record.task.empty() ? record.plugin : record.task; !about.empty()) {
    text += about;
    if (!record.version.empty()) {
      // Identifies the build: two versions may run at the same time.
      text += " (" + std::string(record.version) + ", sha256 " + internal::short_hash(record.sha256) + ')';
    }
    text += ": ";
  }
  if (!record.source.empty()) {
    text += "worker " + std::to_string(record.worker_id) + ", " + std::string(record.source) + ": ";
  }
  // The text comes from a task: it must not move the cursor or change colors of the terminal.
  text += internal::printable(record.message, 4096) + '\n';
  return text;
}

struct LogLines::State {
  struct Last {
    std::string line;
    std::uint64_t repeats = 0;  ///< Repetitions of `line` that have not been written yet.
  };

  StatusLine& status;
  LogLevel least;
  bool color;
  internal::Guarded<Last> last{};

  void flush(Last& written) const {
    if (written.repeats > 0) {
      status.print("tenon: the last message was repeated " + group_digits(written.repeats) +
                   (written.repeats == 1 ? " time\n" : " times\n"));
    }
    written.repeats = 0;
  }
};

LogLines::LogLines(StatusLine& status, LogLevel least, bool color)
    : state_(new State{.status = status, .least = least, .color = color}) {}

LogLines::~LogLines() {
  flush();
}

LogSink LogLines::sink() const {
  return [state = state_](const LogRecord& record) {
    if (record.level < state->least) {
      return;
    }
    std::string line = to_text(record, state->color);
    const auto last = state->last.lock();
    if (line == last->line) {
      ++last->repeats;
      return;
    }
    state->flush(*last);
    state->status.print(line);
    last->line = std::move(line);
  };
}

void LogLines::flush() {
  const auto last = state_->last.lock();
  state_->flush(*last);
}

}  // namespace tenon::cli
