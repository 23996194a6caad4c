#include <chrono>
#include <string>
#include <string_view>

#include <tenon/plugin.hpp>

#include "common/content.hpp"
#include "common/file_name.hpp"
#include "common/row_file.hpp"
#include "common/utf8.hpp"
#include "logs/access.hpp"
#include "logs/syslog.hpp"
#include "logs_generated.h"

namespace {

using tenon::plugins::BrokenRows;
using tenon::plugins::RowFile;
using tenon::plugins::view;
using tenon::rows::ScannedLine;

/// A string, or none for empty text.
flatbuffers::Offset<flatbuffers::String> text(flatbuffers::FlatBufferBuilder& builder, std::string_view value) {
  return value.empty() ? flatbuffers::Offset<flatbuffers::String>() : builder.CreateString(value.data(), value.size());
}

tenon::Offset<logs::Access> build(flatbuffers::FlatBufferBuilder& builder, const logs::AccessLine& request,
                                  std::string_view origin, std::uint64_t line) {
  const auto client = text(builder, request.client);
  const auto user = text(builder, request.user);
  const auto method = text(builder, request.method);
  const auto path = text(builder, request.path);
  const auto query = text(builder, request.query);
  const auto protocol = text(builder, request.protocol);
  const auto referer = text(builder, request.referer);
  const auto agent = text(builder, request.agent);
  return logs::CreateAccess(builder, request.time_ns, client, user, method, path, query, protocol, request.status,
                            request.size_bytes, referer, agent, request.seconds, text(builder, origin), line);
}

tenon::Offset<logs::Message> build(flatbuffers::FlatBufferBuilder& builder, const logs::SyslogLine& message,
                                   std::string_view origin, std::uint64_t line) {
  const auto host = text(builder, message.host);
  const auto program = text(builder, message.program);
  const auto message_id = text(builder, message.message_id);
  const auto data = text(builder, message.data);
  const auto body = text(builder, message.text);
  return logs::CreateMessage(builder, message.time_ns, message.has_priority, message.facility, message.severity, host,
                             program, message.process_id, message_id, data, body, text(builder, origin), line);
}

/// Reads the lines of a log that are neither empty nor too long. What a session must remember is in
/// its position.
template <typename Params>
class LogLines {
 public:
  LogLines(tenon::SourceContext& session, const tenon::File& argument, const Params& params,
           logs::ReadPositionT& position)
      : params_(params),
        position_(position),
        poll_([&session] { session.check(); }),
        file_(argument, params.max_size_bytes(), params.max_line_bytes()),
        broken_(session, file_.path(), params.skip_broken(), position.broken) {
    file_.start(position.offset_bytes, position.device, position.inode, poll_);
  }

  /// False at the end.
  bool next() {
    while (next_line(file_.window(), line_, poll_)) {
      position_.offset_bytes = file_.window().offset_bytes();
      ++position_.line;
      if (line_.too_long) {
        broken_.add(
            position_.line,
            "the line is longer than " + std::to_string(params_.max_line_bytes()) + " bytes; raise `max_line_bytes`",
            TENON_TOO_LARGE);
      } else if (!line_.text.empty()) {
        return true;
      }
    }
    broken_.finish();
    return false;
  }

  [[nodiscard]] std::string_view line() const noexcept { return line_.text; }
  void report(const std::string& why) { broken_.add(position_.line, why); }
  [[nodiscard]] const RowFile& file() const noexcept { return file_; }
  /// The bytes that a result needs.
  [[nodiscard]] std::size_t size_bytes() const noexcept { return line_.text.size() + file_.path().size() + 256; }

 private:
  const Params& params_;
  logs::ReadPositionT& position_;
  tenon::plugins::Poll poll_;
  RowFile file_;
  BrokenRows broken_;
  ScannedLine line_;
};

tenon::Source<logs::Access> read_access(tenon::SourceContext& s, const tenon::File& argument,
                                        const logs::AccessParams& params) {
  auto& position = s.state<logs::ReadPositionT>();
  LogLines<logs::AccessParams> lines(s, argument, params, position);
  logs::AccessParser parser(params.format());
  logs::AccessLine request;
  while (lines.next()) {
    if (parser.parse(lines.line(), request)) {
      co_yield build(s.builder(lines.size_bytes()), request, lines.file().path(), position.line);
    } else {
      lines.report(parser.error());
    }
  }
}

/// Fails a call for a line, naming it: `'access.log', line 7: why`.
[[noreturn]] void fail_line(const tenon::Call& call, const tenon::Line& line, const std::string& why) {
  std::string where = tenon::plugins::quote(view(line.origin()));
  if (line.number() != 0) {
    where += ", line " + std::to_string(line.number());
  }
  call.fail(TENON_CORRUPT, where + ": " + why);
}

tenon::Offset<logs::Access> access_line(tenon::Call& call, const tenon::Line& line, const logs::AccessParams& params) {
  logs::AccessParser parser(params.format());
  logs::AccessLine request;
  if (!parser.parse(view(line.text()), request)) {
    fail_line(call, line, parser.error());
  }
  return build(call.builder(view(line.text()).size() + view(line.origin()).size() + 256), request, view(line.origin()),
               line.number());
}

std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

logs::SyslogClock clock_of(const logs::SyslogParams& params, std::int64_t latest_ns) {
  logs::SyslogClock clock;
  clock.year = params.year();
  clock.utc_offset_minutes = params.utc_offset_minutes();
  clock.latest_ns = latest_ns;
  return clock;
}

tenon::Source<logs::Message> read_syslog(tenon::SourceContext& s, const tenon::File& argument,
                                         const logs::SyslogParams& params) {
  auto& position = s.state<logs::ReadPositionT>();
  LogLines<logs::SyslogParams> lines(s, argument, params, position);
  const tenon::plugins::Content& content = lines.file().content();
  const logs::SyslogClock clock =
      clock_of(params, content.is_file()          ? tenon::plugins::nanoseconds_of(content.status().st_mtim)
                       : argument.mtime_ns() != 0 ? argument.mtime_ns()
                                                  : now_ns());
  logs::SyslogLine message;
  while (lines.next()) {
    const std::string why = logs::parse_syslog(lines.line(), clock, message);
    if (why.empty()) {
      co_yield build(s.builder(lines.size_bytes()), message, lines.file().path(), position.line);
    } else {
      lines.report(why);
    }
  }
}

tenon::Offset<logs::Message> syslog_line(tenon::Call& call, const tenon::Line& line, const logs::SyslogParams& params) {
  logs::SyslogLine message;
  const std::string why = logs::parse_syslog(view(line.text()), clock_of(params, now_ns()), message);
  if (!why.empty()) {
    fail_line(call, line, why);
  }
  return build(call.builder(view(line.text()).size() + view(line.origin()).size() + 256), message, view(line.origin()),
               line.number());
}

}  // namespace

TENON_PLUGIN(logs) {
  plugin.task<read_access>("access");
  plugin.task<access_line>("access_line");
  plugin.task<read_syslog>("syslog");
  plugin.task<syslog_line>("syslog_line");
}
