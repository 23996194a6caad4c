/// host/log_line.hpp: one line for the log sink, kept until the scheduler's lock is released.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <tenon/log.hpp>

#include "swap/generation.hpp"

namespace tenon::internal {

/// A line for the log sink, which is never called under a lock.
struct LogLine {
  LogLevel level = LogLevel::kInfo;
  std::string message;
  std::string plugin;
  std::string task;
  std::uint64_t worker_id = 0;
  std::uint64_t call_id = 0;
  GenerationRef generation = nullptr;  ///< The generation of the plugin, if known.
  /// Number of dropped lines of the worker that this line reports; it has no text then.
  std::uint64_t dropped = 0;
  std::string_view source = {};  ///< See LogRecord::source; a string literal.
};

}  // namespace tenon::internal
