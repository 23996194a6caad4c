#include "tools/tenon/service_log.hpp"

#include <chrono>
#include <string>

#include <nlohmann/json.hpp>

#include "base/json.hpp"
#include "base/text.hpp"
#include "tools/tenon/time_text.hpp"

namespace tenon::cli {
namespace {

constexpr std::size_t kMaxLineBytes = 4096;

/// The journal's level and tenon's name for it.
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

/// The parts of a line.
struct ServiceLog::Parts {
  std::string plugin;  ///< Its label, with version and hash.
  std::string task;
  std::uint64_t worker = 0;
  std::string source;
  std::string message;
};

ServiceLog::ServiceLog(const World& world, LogLevel least, Format format)
    : world_(world), least_(least), format_(format), journal_(!world.variable("JOURNAL_STREAM").value_or("").empty()) {}

void ServiceLog::write(LogLevel level, const Parts& parts) const {
  const LevelName names = name_of(level);
  const auto now =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch());
  std::string text;
  if (format_ == Format::kJson) {
    internal::Json line;
    line["time"] = time_text(now.count());
    line["level"] = names.name;
    if (!parts.plugin.empty()) {
      line["plugin"] = parts.plugin;
    }
    if (!parts.task.empty()) {
      line["task"] = parts.task;
    }
    if (!parts.source.empty()) {
      line["worker"] = parts.worker;
      line["stream"] = parts.source;
    }
    line["message"] = parts.message.substr(0, kMaxLineBytes);
    text = internal::json_text(line, -1);
  } else {
    text = (journal_ ? std::string(names.journal) : time_text(now.count()) + ' ') +
           "tenon: " + std::string(names.name) + ": ";
    std::string message = parts.plugin.empty() ? std::string() : parts.plugin + ": ";
    message += parts.task.empty() ? std::string() : parts.task + ": ";
    if (!parts.source.empty()) {
      message += "worker " + std::to_string(parts.worker) + ", " + parts.source + ": ";
    }
    text += on_one_line(message + parts.message);
  }
  // One write, so that lines of several threads do not mix.
  world_.log(text + '\n');
}

void ServiceLog::line(LogLevel level, std::string_view message) const {
  if (level < least_) {
    return;
  }
  Parts parts;
  parts.message = message;
  write(level, parts);
}

LogSink ServiceLog::sink() const {
  return [log = *this](const LogRecord& record) {
    if (record.level < log.least_) {
      return;
    }
    Parts parts;
    if (!record.version.empty()) {
      // The build that wrote the line, which may not be the current one.
      parts.plugin = internal::plugin_label(record.plugin, record.version, record.sha256);
    } else if (!record.plugin.empty()) {
      parts.plugin = log.labels_->label(record.plugin);
    }
    parts.task = record.task;
    parts.worker = record.worker_id;
    parts.source = record.source;
    parts.message = record.message;
    log.write(record.level, parts);
  };
}

}  // namespace tenon::cli
