/// tenon/log.hpp: where a runtime's log lines go. The library itself never prints.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace tenon {

enum class LogLevel : std::int32_t { kDebug = 0, kInfo = 1, kWarning = 2, kError = 3 };

/// One line of the log. Views are valid while the sink runs.
struct LogRecord {
  LogLevel level = LogLevel::kInfo;
  std::string_view message;
  std::string_view plugin;   ///< Empty when the line is the runtime's own.
  std::string_view version;  ///< Of the plugin that wrote it; empty when it is not known.
  std::string_view sha256;   ///< The same.
  std::string_view task;
  std::uint64_t worker_id = 0;  ///< 0 when the line is the runtime's own.
  std::uint64_t call_id = 0;
  /// For a line that reports dropped lines: how many. Lines are dropped when the sink does not take them as fast as
  /// they come, or when a worker logs faster than 2,000 lines or 256 KiB a second.
  std::uint64_t dropped = 0;
  /// "stdout" or "stderr" when a worker wrote the line there; empty otherwise.
  std::string_view source;
};

/// Called for each line, one after the other, on a thread that the runtime has for this. A sink that blocks delays
/// only the log: up to 4 MiB of lines wait, further ones are dropped and counted. Runtime::shutdown delivers what waits
/// and then calls the sink no more, but it gives up after 30 s, or when the sink takes no line for 2 s; such a sink is
/// left behind, so that what it uses must not be destroyed. Must not call the runtime, and must not throw.
using LogSink = std::function<void(const LogRecord&)>;

}  // namespace tenon
