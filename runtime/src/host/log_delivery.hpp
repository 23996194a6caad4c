/// host/log_delivery.hpp: delivers log lines to a runtime's sink.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <tenon/log.hpp>

#include "platform/bounded_drain.hpp"

namespace tenon::internal {

/// Calls the sink on a dedicated thread, one line after another, so that a blocking sink (for
/// example a standard error that is not read) delays only the log. Memory is bounded; lines that do
/// not fit, or that exceed a worker's budget, are counted and reported in a separate line.
/// [any-thread]
class LogDelivery {
 public:
  /// `sink` may be empty; lines are then discarded.
  explicit LogDelivery(LogSink sink, std::size_t max_bytes = std::size_t{4} << 20);

  /// Never blocks.
  void add(const LogRecord& record);
  /// Returns a sink that calls `add` and keeps `delivery` alive.
  [[nodiscard]] static LogSink sink(std::shared_ptr<LogDelivery> delivery);
  /// Delivers the waiting lines, within time limits; the sink is not called afterwards. A sink that
  /// hangs is abandoned.
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
    std::string_view source = {};  ///< A string literal.
  };
  [[nodiscard]] static Line report(std::uint64_t worker_id, std::uint64_t count);

  const bool wanted_;
  BoundedDrain<Line> drain_;
};

}  // namespace tenon::internal
