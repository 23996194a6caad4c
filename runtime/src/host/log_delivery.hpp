/// host/log_delivery.hpp: brings log lines to a runtime's sink.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <tenon/log.hpp>

#include "platform/bounded_drain.hpp"

namespace tenon::internal {

/// Calls the sink on a thread of its own, one line after the other, so that a sink that blocks (standard error that is
/// not read) delays the log and nothing else. Memory is bounded; lines that do not fit, and those that a worker's
/// budget did not admit, are counted and reported as a line of their own. [any-thread]
class LogDelivery {
 public:
  /// `sink` may be empty: then nothing is kept.
  explicit LogDelivery(LogSink sink, std::size_t max_bytes = std::size_t{4} << 20);

  /// Never waits.
  void add(const LogRecord& record);
  /// What `add` does, as a sink; it keeps `delivery` alive.
  [[nodiscard]] static LogSink sink(std::shared_ptr<LogDelivery> delivery);
  /// Delivers what waits, within bounds; the sink is not called afterwards. One that hangs is left behind.
  void close() { drain_.close({}); }

 private:
  struct Line {
    LogLevel level = LogLevel::kInfo;
    std::string message;
    std::string plugin;
    std::string version;
    std::string sha256;
    std::string task;
    std::uint64_t worker_id = 0;
    std::uint64_t call_id = 0;
    std::uint64_t dropped = 0;
    std::string_view source = {};  ///< A literal.
  };
  [[nodiscard]] static Line report(std::uint64_t worker_id, std::uint64_t count);

  const bool wanted_;
  BoundedDrain<Line> drain_;
};

}  // namespace tenon::internal
