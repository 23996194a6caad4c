/// host/log_line.hpp: one line for the log sink, until the scheduler's lock is given up.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <tenon/log.hpp>

#include "swap/generation.hpp"

namespace tenon::internal {

/// A line for the log sink, which is called outside every lock.
struct LogLine {
  LogLevel level = LogLevel::kInfo;
  std::string message;
  std::string plugin;
  std::string task;
  std::uint64_t worker_id = 0;
  std::uint64_t call_id = 0;
  GenerationRef generation = nullptr;  ///< Of the plugin, when it is known.
  std::uint64_t dropped = 0;           ///< Lines of the worker that were not kept; this one has no text then.
  std::string_view source = {};        ///< See LogRecord::source; a literal.
};

}  // namespace tenon::internal
