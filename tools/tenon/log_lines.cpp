#include "tools/tenon/log_lines.hpp"

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
    text += std::string(about) + ": ";
  }
  // A task's message is foreign text: it must not move the cursor or paint the terminal.
  text += internal::printable(record.message, 4096) + '\n';
  return text;
}

LogSink log_lines(StatusLine& status, LogLevel least, bool color) {
  return [&status, least, color](const LogRecord& record) {
    if (record.level >= least) {
      status.print(to_text(record, color));
    }
  };
}

}  // namespace tenon::cli
