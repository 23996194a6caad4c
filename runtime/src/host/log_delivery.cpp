#include "host/log_delivery.hpp"

#include <utility>

#include "base/text.hpp"

namespace tenon::internal {
namespace {

/// Memory of a line in addition to its text.
constexpr std::size_t kLineBytes = 256;
/// The lines of one worker may take one part in this many of the queue.
constexpr std::size_t kShareOfWorker = 4;

}  // namespace

LogDelivery::LogDelivery(LogSink sink, std::size_t max_bytes)
    : wanted_(sink != nullptr),
      drain_({.thread_name = "tenon-log",
              .max_bytes = max_bytes,
              .max_source_bytes = max_bytes / kShareOfWorker,
              .take =
                  [sink = std::move(sink)](const Line& line) {
                    sink(LogRecord{.level = line.level,
                                   .message = line.message,
                                   .plugin = line.plugin,
                                   .version = line.version,
                                   .sha256 = line.sha256,
                                   .task = line.task,
                                   .worker_id = line.worker_id,
                                   .call_id = line.call_id,
                                   .dropped = line.dropped,
                                   .source = line.source});
                    return true;
                  },
              .report = &LogDelivery::report}) {}

LogDelivery::Line LogDelivery::report(std::uint64_t worker_id, std::uint64_t count) {
  Line line;
  line.level = LogLevel::kWarning;
  line.worker_id = worker_id;
  line.dropped = count;
  const std::string lines = count_of(count, "log line", "log lines");
  line.message = worker_id == 0
                     ? lines + (count == 1 ? " was" : " were") + " dropped: the log is not taken as fast as it comes"
                     : lines + " of worker " + std::to_string(worker_id) + (count == 1 ? " was" : " were") +
                           " dropped: it logs faster than a worker may, or than the log is taken";
  return line;
}

void LogDelivery::add(const LogRecord& record) {
  if (!wanted_) {
    return;
  }
  if (record.dropped > 0) {
    drain_.note_dropped(record.worker_id, record.dropped);
    return;
  }
  Line line{.level = record.level,
            .message = std::string(record.message),
            .plugin = std::string(record.plugin),
            .version = std::string(record.version),
            .sha256 = std::string(record.sha256),
            .task = std::string(record.task),
            .worker_id = record.worker_id,
            .call_id = record.call_id,
            .dropped = 0,
            .source = record.source};
  const std::size_t size_bytes = kLineBytes + line.message.size() + line.plugin.size() + line.task.size();
  drain_.push(std::move(line), size_bytes, record.worker_id);
}

LogSink LogDelivery::sink(std::shared_ptr<LogDelivery> delivery) {
  if (!delivery->wanted_) {
    return {};
  }
  return [delivery = std::move(delivery)](const LogRecord& record) { delivery->add(record); };
}

}  // namespace tenon::internal
