#include "tools/tenon/service_log.hpp"

#include <string>

#include "base/text.hpp"

namespace tenon::cli {
namespace {

constexpr std::size_t kMaxLineBytes = 4096;

/// The journal's level and tenon's own name for it.
struct LevelName {
  std::string_view journal;
  std::string_view name;
};

LevelName name_of(LogLevel level) noexcept {
  switch (level) {
    case LogLevel::kDebug:
      return {"<7>", "debug"};
    case LogLevel::kInfo:
      return {"<6>", "info"};
    case LogLevel::kWarning:
      return {"<4>", "warning"};
    case LogLevel::kError:
      break;
  }
  return {"<3>", "error"};
}

std::string on_one_line(std::string_view message) {
  std::string line;
  line.reserve(message.size());
  for (const char c : message.substr(0, kMaxLineBytes)) {
    if (c == '\n') {
      line += "; ";
    } else {
      line += c;
    }
  }
  return internal::printable(line, kMaxLineBytes);
}

}  // namespace

ServiceLog::ServiceLog(const World& world, LogLevel least)
    : world_(world), least_(least), journal_(!world.variable("JOURNAL_STREAM").value_or("").empty()) {}

void ServiceLog::line(LogLevel level, std::string_view message) const {
  if (level < least_) {
    return;
  }
  const LevelName names = name_of(level);
  // One write, so that lines of several threads do not mix.
  world_.log((journal_ ? std::string(names.journal) : std::string()) + "tenon: " + std::string(names.name) + ": " +
             on_one_line(message) + '\n');
}

LogSink ServiceLog::sink() const {
  return [log = *this](const LogRecord& record) {
    if (record.level < log.least_) {
      return;
    }
    std::string message;
    if (!record.version.empty()) {
      // The build that wrote the line, which need not be the current one.
      message += internal::plugin_label(record.plugin, record.version, record.sha256) + ": ";
    } else if (!record.plugin.empty()) {
      message += log.labels_->label(record.plugin) + ": ";
    }
    if (!record.task.empty()) {
      message += std::string(record.task) + ": ";
    }
    if (!record.source.empty()) {
      message += "worker " + std::to_string(record.worker_id) + ", " + std::string(record.source) + ": ";
    }
    message += record.message;
    log.line(record.level, message);
  };
}

}  // namespace tenon::cli
