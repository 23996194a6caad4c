/// Log lines of the runtime and of tasks on standard error.
#pragma once

#include <string>

#include <tenon/log.hpp>

#include "tools/tenon/progress.hpp"

namespace tenon::cli {

/// "tenon: warning: text.count: message" with a newline.
[[nodiscard]] std::string to_text(const LogRecord& record, bool color);

/// Writes lines of `least` and above; `status` outlives it.
[[nodiscard]] LogSink log_lines(StatusLine& status, LogLevel least, bool color);

}  // namespace tenon::cli
