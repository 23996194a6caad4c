#include <cstdint>
#include <string>
#include <vector>

#include <tenon/plugin_test.hpp>

#include "logs/access.hpp"
#include "logs/syslog.hpp"
#include "logs/times.hpp"
#include "logs_generated.h"
#include "packed.hpp"
#include "support.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/temporary_directory.hpp"

using logs::AccessFormat;
using logs::AccessLine;
using logs::AccessParser;
using logs::SyslogClock;
using logs::SyslogLine;
using tenon::test::Block;
using tenon::test::file_at;
using tenon::test::file_with;
using tenon::test::gzip;
using tenon::test::Outcome;
using tenon::test::Session;
using tenon::test::TemporaryDirectory;
using tenon::test::Worker;
using tenon::test::write_text;

namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

AccessLine access(AccessParser& parser, const std::string& line) {
  AccessLine request;
  const bool ok = parser.parse(line, request);
  INFO(parser.error());
  REQUIRE(ok);
  return request;
}

std::string why(const std::string& line, AccessFormat format = AccessFormat::automatic) {
  AccessParser parser(format);
  AccessLine request;
  CHECK_FALSE(parser.parse(line, request));
  return parser.error();
}

SyslogLine syslog(const std::string& line, const SyslogClock& clock = {}) {
  SyslogLine message;
  CHECK(logs::parse_syslog(line, clock, message) == "");
  return message;
}

std::string why_not_syslog(const std::string& line, const SyslogClock& clock = {}) {
  SyslogLine message;
  return logs::parse_syslog(line, clock, message);
}

SyslogClock in_2003() {
  SyslogClock clock;
  clock.year = 2003;
  return clock;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

const std::string kCommon = "127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] \"GET /apache_pb.gif HTTP/1.0\" 200 2326";

}  // namespace

TEST_CASE("Logs: times") {
  CHECK(logs::parse_clf_time("10/Oct/2000:13:55:36 -0700") == 971211336 * kSecond);
  CHECK(logs::parse_clf_time("29/Feb/2024:00:00:00 +0000") == 1709164800 * kSecond);
  for (const char* wrong : {"", "10/Foo/2000:13:55:36 -0700", "31/Jun/2000:13:55:36 -0700",
                            "29/Feb/2023:00:00:00 +0000", "10/Oct/2000:24:00:00 +0000", "10/Oct/2000:13:55:36 0700",
                            "10/Oct/2000 13:55:36 -0700", "10/Oct/0000:13:55:36 -0700"}) {
    INFO(wrong);
    CHECK_FALSE(logs::parse_clf_time(wrong));
  }
  CHECK(logs::parse_iso_time("1970-01-01T00:00:00Z") == 0);
  CHECK(logs::parse_iso_time("2003-10-11T22:14:15.003Z") == 1065910455 * kSecond + 3'000'000);
  CHECK(logs::parse_iso_time("2003-10-12T00:14:15.000000003+02:00") == 1065910455 * kSecond + 3);
  CHECK(logs::parse_iso_time("2003-10-11 22:14:15,5") == 1065910455 * kSecond + 500'000'000);
  CHECK(logs::parse_iso_time("1969-12-31T23:59:59Z") == -kSecond);
  for (const char* wrong : {"2003-10-11", "2003-13-11T22:14:15Z", "2003-10-11T22:14:15.Z", "2003-10-11T22:14:15X",
                            "2003-10-11T22:61:15Z"}) {
    INFO(wrong);
    CHECK_FALSE(logs::parse_iso_time(wrong));
  }
  CHECK(logs::from_epoch(1700000000.5) == 1700000000 * kSecond + kSecond / 2);
  CHECK(logs::from_epoch(1700000000000.0) == 1700000000 * kSecond);
  CHECK(logs::from_epoch(1700000000000000000.0) == 1700000000 * kSecond);
}

TEST_CASE("Logs: a time without a year is in the latest year that is not in the future") {
  const auto time = logs::parse_bsd_time("Dec 31 23:59:59");
  REQUIRE(time);
  const std::int64_t new_year_2024 = 1704067200 * kSecond;
  CHECK(logs::not_after(*time, new_year_2024) == new_year_2024 - kSecond);
  // A clock that is a little ahead.
  CHECK(logs::not_after(*logs::parse_bsd_time("Jan  1 00:00:05"), new_year_2024 - kSecond) ==
        new_year_2024 + 5 * kSecond);
  CHECK(logs::not_after(*logs::parse_bsd_time("Feb 29 00:00:00"), new_year_2024 - kSecond) == 1582934400 * kSecond);
  CHECK_FALSE(logs::parse_bsd_time("Dez 31 23:59:59"));
  CHECK_FALSE(logs::parse_bsd_time("Dec 32 23:59:59"));
}

TEST_CASE("Logs: the common and the combined format") {
  AccessParser parser(AccessFormat::automatic);
  const AccessLine common = access(parser, kCommon);
  CHECK(common.time_ns == 971211336 * kSecond);
  CHECK(common.client == "127.0.0.1");
  CHECK(common.user == "frank");
  CHECK(common.method == "GET");
  CHECK(common.path == "/apache_pb.gif");
  CHECK(common.query.empty());
  CHECK(common.protocol == "HTTP/1.0");
  CHECK(common.status == 200);
  CHECK(common.size_bytes == 2326);
  CHECK(common.agent.empty());
  const AccessLine combined = access(parser,
                                     "::1 - - [10/Oct/2000:13:55:36 +0000] \"POST /a b?x=1?2 HTTP/2.0\" 304 - "
                                     "\"http://x.org/?q=\\\"y\\\"\" \"Mozilla/5.0 (X11)\" 0.005 extra");
  CHECK(combined.user.empty());
  CHECK(combined.path == "/a b");
  CHECK(combined.query == "x=1?2");
  CHECK(combined.size_bytes == 0);
  CHECK(combined.referer == "http://x.org/?q=\\\"y\\\"");
  CHECK(combined.agent == "Mozilla/5.0 (X11)");
  CHECK(access(parser, "h - John Doe [10/Oct/2000:13:55:36 +0000] \"GET / HTTP/1.1\" 200 1 \"-\" \"-\"").user ==
        "John Doe");
}

TEST_CASE("Logs: a request that is not HTTP is a path without a method") {
  AccessParser parser(AccessFormat::common);
  const auto path = [&](const std::string& request) {
    const std::string line = "h - - [10/Oct/2000:13:55:36 +0000] \"" + request + "\" 400 0";
    const AccessLine parsed = access(parser, line);
    return std::string(parsed.method) + "|" + std::string(parsed.path) + "|" + std::string(parsed.protocol);
  };
  CHECK(path("\\x16\\x03\\x01 a") == "|\\x16\\x03\\x01 a|");
  CHECK(path("-") == "||");
  CHECK(path("") == "||");
  CHECK(path("GET /") == "GET|/|");
  CHECK(path("GET") == "|GET|");
}

TEST_CASE("Logs: broken lines of the common format say what is wrong") {
  CHECK(has(why("garbage"), "has no time in brackets after client, identity and user"));
  CHECK(has(why("a - - [10/Oct/2000] \"GET / HTTP/1.1\" 200 1"), "the time '10/Oct/2000' is not of the form"));
  CHECK(has(why("a - - [10/Oct/2000:13:55:36 +0000] GET"), "has no request in quotes"));
  CHECK(has(why("a - - [10/Oct/2000:13:55:36 +0000] \"GET /"), "has no request in quotes"));
  CHECK(has(why("a - - [10/Oct/2000:13:55:36 +0000] \"GET /\" ok 1"), "the status 'ok' is not a number"));
  CHECK(has(why("a - - [10/Oct/2000:13:55:36 +0000] \"GET /\" 200 x"), "the size 'x' is neither a number nor -"));
  for (std::size_t size = 0; size < kCommon.size() - 4; ++size) {
    AccessParser parser(AccessFormat::automatic);
    AccessLine request;
    parser.parse(kCommon.substr(0, size), request);
  }
}

TEST_CASE("Logs: JSON of several servers") {
  AccessParser parser(AccessFormat::automatic);
  const AccessLine nginx =
      access(parser, R"({"time_iso8601":"2003-10-11T22:14:15+00:00","remote_addr":"192.0.2.1","remote_user":"-",)"
                     R"("request":"GET /x?y=1 HTTP/1.1","status":"200","body_bytes_sent":"17","request_time":"0.250",)"
                     R"("http_referer":"-","http_user_agent":"curl/8"})");
  CHECK(nginx.time_ns == 1065910455 * kSecond);
  CHECK(nginx.client == "192.0.2.1");
  CHECK(nginx.user.empty());
  CHECK(nginx.method == "GET");
  CHECK(nginx.path == "/x");
  CHECK(nginx.query == "y=1");
  CHECK(nginx.status == 200);
  CHECK(nginx.size_bytes == 17);
  CHECK(nginx.seconds == 0.25);
  CHECK(nginx.agent == "curl/8");
  const AccessLine caddy = access(
      parser, R"({"ts":1700000000.5,"request":{"remote_ip":"::1","proto":"HTTP/2.0","method":"PUT","uri":"/a?b"},)"
              R"("duration":0.001,"size":5,"status":503})");
  CHECK(caddy.time_ns == 1700000000 * kSecond + kSecond / 2);
  CHECK(caddy.client == "::1");
  CHECK(caddy.method == "PUT");
  CHECK(caddy.path == "/a");
  CHECK(caddy.query == "b");
  CHECK(caddy.protocol == "HTTP/2.0");
  CHECK(caddy.status == 503);
  CHECK(has(why("{\"status\":200}"), "has no time in any of the known fields"));
  CHECK(has(why("{\"time\":\"yesterday\",\"status\":200}"), "has no time"));
  CHECK(has(why("{\"time\":1700000000}"), "has no status"));
  CHECK(has(why("{\"time\":"), "is not a JSON object: expected a value at byte 9"));
  CHECK(has(why(kCommon, AccessFormat::json), "is not a JSON object"));
}

TEST_CASE("Logs: syslog of RFC 5424") {
  const SyslogLine message = syslog(
      "<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog 8710 ID47 [a@1 b=\"x]\\\"\" c=\"\"][d] "
      "\xEF\xBB\xBF"
      "An event");
  CHECK(message.time_ns == 1065910455 * kSecond + 3'000'000);
  CHECK(message.has_priority);
  CHECK(message.facility == 20);
  CHECK(message.severity == logs::Severity::notice);
  CHECK(message.host == "mymachine.example.com");
  CHECK(message.program == "evntslog");
  CHECK(message.process_id == 8710);
  CHECK(message.message_id == "ID47");
  CHECK(message.data == "[a@1 b=\"x]\\\"\" c=\"\"][d]");
  CHECK(message.text == "An event");
  CHECK(syslog("<0>1 - - - - - -").text.empty());
  CHECK(has(why_not_syslog("<192>1 - - - - - -"), "is not a number from 0 to 191"));
  CHECK(has(why_not_syslog("<34>1 yesterday h a - - -"), "the time 'yesterday' is not of the form"));
  CHECK(has(why_not_syslog("<34>1 - h a - - [x"), "are not closed"));
  CHECK(has(why_not_syslog("<34>1 - h a - -"), "neither structured data"));
}

TEST_CASE("Logs: syslog of RFC 3164, and the files of rsyslog") {
  const SyslogLine message = syslog("<34>Oct 11 22:14:15 mymachine su[99]: 'su root' failed: on /dev/pts/8", in_2003());
  CHECK(message.time_ns == 1065910455 * kSecond);
  CHECK(message.facility == 4);
  CHECK(message.severity == logs::Severity::critical);
  CHECK(message.host == "mymachine");
  CHECK(message.program == "su");
  CHECK(message.process_id == 99);
  CHECK(message.text == "'su root' failed: on /dev/pts/8");
  const SyslogLine kernel = syslog("Oct 11 22:14:15 host kernel: [    0.0] Linux", in_2003());
  CHECK_FALSE(kernel.has_priority);
  CHECK(kernel.program == "kernel");
  CHECK(kernel.text == "[    0.0] Linux");
  SyslogClock east = in_2003();
  east.utc_offset_minutes = 120;
  CHECK(syslog("Oct 12 00:14:15 host a: b", east).time_ns == 1065910455 * kSecond);
  const SyslogLine modern = syslog("2003-10-12T00:14:15.5+02:00 host systemd[1]: Started a: b.");
  CHECK(modern.time_ns == 1065910455 * kSecond + kSecond / 2);
  CHECK(modern.program == "systemd");
  CHECK(modern.text == "Started a: b.");
  CHECK(syslog("2003-10-12T00:14:15Z host -- MARK --").text == "-- MARK --");
  CHECK(syslog("2003-10-12T00:14:15Z host cron:").program == "cron");
  CHECK(has(why_not_syslog("no time here"), "has no time of the form"));
  CHECK(has(why_not_syslog(""), "has no time of the form"));
  CHECK(has(why_not_syslog("Feb 29 00:00:00 h a: b", in_2003()), "does not exist in the year; set `year`"));
}

TEST_CASE("Logs: sources return tables with file and line, from packed files and checkpoints too") {
  const TemporaryDirectory directory;
  const std::string text = kCommon + "\n\n" + kCommon + "\r\n" + kCommon;
  write_text(directory / "plain", text);
  write_text(directory / "gz", gzip(text));
  Worker worker;
  for (const char* name : {"plain", "gz"}) {
    const auto file = file_at(directory / name);
    Session session = worker.open("access", file);
    const Outcome first = session.step(1);
    REQUIRE(first.results.size() == 1);
    CHECK(first.results[0].as<logs::Access>().line() == 1);
    CHECK(first.results[0].as<logs::Access>().origin()->str() == file.path);
    CHECK(first.results[0].as<logs::Access>().referer() == nullptr);
    Session later = worker.open("access", file, {}, session.checkpoint());
    const Outcome rest = later.step(10);
    CHECK(rest.status == TENON_END);
    REQUIRE(rest.results.size() == 2);
    CHECK(rest.results[0].as<logs::Access>().line() == 3);
    CHECK(rest.results[1].as<logs::Access>().status() == 200);
  }
}

TEST_CASE("Logs: broken lines are errors with file and line, or skipped and counted") {
  Worker worker;
  const auto file = file_with("x.log", kCommon + "\nbroken\n" + kCommon + "\n" + std::string(5000, 'x') + "\n");
  {
    Session session = worker.open("access", file);
    const Outcome outcome = session.step(10);
    CHECK(outcome.status == TENON_CORRUPT);
    CHECK(has(outcome.message, "'x.log', line 2: has no time in brackets"));
  }
  logs::AccessParamsT params;
  params.skip_broken = true;
  params.max_line_bytes = 1000;
  Session session = worker.open("access", file, params);
  const Outcome outcome = session.step(10);
  CHECK(outcome.status == TENON_END);
  CHECK(outcome.results.size() == 2);
  REQUIRE(worker.logs.size() == 3);
  CHECK(has(worker.logs[1], "'x.log', line 4: the line is longer than 1000 bytes"));
  CHECK(worker.logs[2] == "'x.log': 2 broken rows were skipped");
}

TEST_CASE("Logs: syslog as a source uses the time of the file for the year") {
  Worker worker;
  auto file = file_with("messages", "Dec 31 23:59:59 h a: old\nJan  1 00:00:00 h a: new\n");
  file.mtime_ns = 1704067200 * kSecond;
  Session session = worker.open("syslog", file);
  const Outcome outcome = session.step(10);
  REQUIRE(outcome.results.size() == 2);
  CHECK(outcome.results[0].as<logs::Message>().time_ns() == 1704067199 * kSecond);
  CHECK(outcome.results[1].as<logs::Message>().time_ns() == 1704067200 * kSecond);
}

TEST_CASE("Logs: single lines") {
  Worker worker;
  tenon::LineT line;
  line.text = kCommon;
  line.origin = "x.log";
  line.number = 7;
  CHECK(worker.call("access_line", line).as<logs::Access>().line() == 7);
  line.text = "2003-10-11T22:14:15Z h a[1]: b";
  CHECK(worker.call("syslog_line", line).as<logs::Message>().program()->str() == "a");
  CHECK(has(worker.call("access_line", line).message, "'x.log', line 7: has no time in brackets"));
}
