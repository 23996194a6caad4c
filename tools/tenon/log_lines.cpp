#include "tools/tenon/log_lines.hpp"

#include <cstdint>
#include <mutex>
#include <utility>

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
  StatusLine& status;
  LogLevel least;
  bool color;
  std::mutex mutex;
  std::string last{};         // Guarded by mutex, like the members below.
  std::uint64_t repeats = 0;  // Repetitions of `last` that have not been written yet.

  void flush_locked() {
    if (repeats > 0) {
      status.print("tenon: the last message was repeated " + group_digits(repeats) +
                   (repeats == 1 ? " time\n" : " times\n"));
    }
    repeats = 0;
  }
};

LogLines::LogLines(StatusLine& status, LogLevel least, bool color)
    : state_(new State{.status = status, .least = least, .color = color, .mutex = {}}) {}

LogLines::~LogLines() {
  flush();
}

LogSink LogLines::sink() const {
  return [state = state_](const LogRecord& record) {
    if (record.level < state->least) {
      return;
    }
    std::string line = to_text(record, state->color);
    const std::lock_guard lock(state->mutex);
    if (line == state->last) {
      ++state->repeats;
      return;
    }
    state->flush_locked();
    state->status.print(line);
    state->last = std::move(line);
  };
}

void LogLines::flush() {
  const std::lock_guard lock(state_->mutex);
  state_->flush_locked();
}

}  // namespace tenon::cli
