/// Parses lines of syslog.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "logs_generated.h"

namespace logs {

/// A message; its views lead into the line.
struct SyslogLine {
  std::int64_t time_ns = 0;
  bool has_priority = false;
  std::uint8_t facility = 0;
  Severity severity = Severity::notice;
  std::string_view host;
  std::string_view program;
  std::uint32_t process_id = 0;
  std::string_view message_id;
  std::string_view data;
  std::string_view text;
};

/// How to complete a time without a year and a zone.
struct SyslogClock {
  std::int64_t year = 0;  ///< 0: the latest one that is not after `latest_ns`.
  std::int64_t utc_offset_minutes = 0;
  std::int64_t latest_ns = 0;
};

/// Parses a line of RFC 5424 (`<34>1 2003-10-11T22:14:15.003Z host app 123 ID47 - text`), of RFC 3164
/// (`<34>Oct 11 22:14:15 host app[123]: text`), or of a file of rsyslog, which has either time and no
/// priority. Returns an empty text, or why the line is broken.
std::string parse_syslog(std::string_view line, const SyslogClock& clock, SyslogLine& message);

}  // namespace logs
