/// tenon/log.hpp: the log of a runtime. The library itself never prints.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace tenon {

enum class LogLevel : std::int32_t { kDebug = 0, kInfo = 1, kWarning = 2, kError = 3 };

/// One log line. The views are valid while the sink runs.
struct LogRecord {
  LogLevel level = LogLevel::kInfo;
  std::string_view message;
  std::string_view plugin;   ///< Empty if the line comes from the runtime itself.
  std::string_view version;  ///< Version of the plugin that wrote it; empty if unknown.
  std::string_view sha256;   ///< SHA-256 of that plugin; empty if unknown.
  std::string_view task;
  std::uint64_t worker_id = 0;  ///< 0 if the line comes from the runtime itself.
  std::uint64_t call_id = 0;
  /// For a line that reports dropped lines: how many. Lines are dropped if the sink is slower than
  /// they arrive, or if a worker logs faster than 2,000 lines or 256 KiB per second.
  std::uint64_t dropped = 0;
  /// "stdout" or "stderr" if a worker wrote the line there; empty otherwise.
  std::string_view source;
};

/// Called for each line, one after another, on a dedicated thread of the runtime. A sink that
/// blocks delays only the log: up to 4 MiB of lines wait; further ones are dropped and counted.
/// Runtime::shutdown delivers the waiting lines and then stops calling the sink. It gives up after
/// 30 s, or after 2 s in which the sink takes no line; the sink is then abandoned and may still be
/// running, so whatever it uses must stay alive. The sink must not call the runtime and must not
/// throw.
using LogSink = std::function<void(const LogRecord&)>;

}  // namespace tenon
