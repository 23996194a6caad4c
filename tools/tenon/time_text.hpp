/// Formats times for logs and documents.
#pragma once

#include <cstdint>
#include <string>

namespace tenon::cli {

/// Returns "2026-03-01T12:00:00.250Z" for milliseconds since 1970. [any-thread]
[[nodiscard]] std::string time_text(std::int64_t milliseconds);

}  // namespace tenon::cli
