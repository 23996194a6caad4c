#include "logs/access.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include "common/utf8.hpp"
#include "logs/times.hpp"

namespace logs {
namespace {

using tenon::plugins::quote;
using tenon::rows::JsonField;

template <typename Number>
std::optional<Number> number_of(std::string_view text) noexcept {
  Number value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  return code == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

std::string_view without_dash(std::string_view text) noexcept {
  return text == "-" ? std::string_view() : text;
}

/// `GET /a?b HTTP/1.1`.
void split_request(std::string_view request, AccessLine& line) {
  request = without_dash(request);
  const std::size_t first = request.find(' ');
  const std::size_t last = request.rfind(' ');
  const bool is_http = first != std::string_view::npos && first != 0 &&
                       std::all_of(request.begin(), request.begin() + static_cast<std::ptrdiff_t>(first),
                                   [](char c) { return (c >= 'A' && c <= 'Z') || c == '-' || c == '_'; });
  if (!is_http) {
    line.path = request;
    return;
  }
  line.method = request.substr(0, first);
  // HTTP/0.9 has no protocol.
  const bool has_protocol = last != first && request.substr(last + 1).starts_with("HTTP/");
  line.path = request.substr(first + 1, has_protocol ? last - first - 1 : std::string_view::npos);
  line.protocol = has_protocol ? request.substr(last + 1) : std::string_view();
}

void split_query(AccessLine& line) {
  if (const std::size_t mark = line.path.find('?'); mark != std::string_view::npos) {
    line.query = line.path.substr(mark + 1);
    line.path = line.path.substr(0, mark);
  }
}

/// Reads fields from left to right.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : text_(text) {}

  /// Reads the text up to the next space.
  std::string_view word() noexcept {
    skip_spaces();
    const std::size_t end = std::min(text_.find(' ', at_), text_.size());
    const std::size_t begin = std::exchange(at_, end);
    return text_.substr(begin, end - begin);
  }
  /// Reads the text between brackets; nullopt if there are none.
  std::optional<std::string_view> bracketed() noexcept { return between('[', ']'); }
  /// Reads the text between quotes. A quote after a backslash belongs to the text.
  std::optional<std::string_view> quoted() noexcept { return between('"', '"'); }
  [[nodiscard]] bool at_end() noexcept {
    skip_spaces();
    return at_ == text_.size();
  }

 private:
  std::optional<std::string_view> between(char open, char close) noexcept {
    skip_spaces();
    if (at_ == text_.size() || text_[at_] != open) {
      return std::nullopt;
    }
    const std::size_t begin = at_ + 1;
    for (std::size_t i = begin; i < text_.size(); ++i) {
      if (text_[i] == '\\') {
        ++i;
      } else if (text_[i] == close) {
        at_ = i + 1;
        return text_.substr(begin, i - begin);
      }
    }
    return std::nullopt;
  }
  void skip_spaces() noexcept {
    while (at_ < text_.size() && text_[at_] == ' ') {
      ++at_;
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

// Names that servers use: nginx's variables, Caddy, Traefik, Apache's and AWS's usual layouts.
constexpr std::array<std::string_view, 7> kTimes{"time_local", "time_iso8601", "@timestamp", "timestamp",
                                                 "time",       "ts",           "StartUTC"};
constexpr std::array<std::string_view, 8> kClients{"remote_addr", "client_ip", "remote_ip", "client",
                                                   "ClientHost",  "clientip",  "host_ip",   "request.remote_ip"};
constexpr std::array<std::string_view, 4> kUsers{"remote_user", "user", "user_id", "ClientUsername"};
constexpr std::array<std::string_view, 4> kMethods{"request_method", "method", "request.method", "RequestMethod"};
constexpr std::array<std::string_view, 6> kPaths{"request_uri", "uri", "path", "url", "request.uri", "RequestPath"};
constexpr std::array<std::string_view, 3> kQueries{"query_string", "args", "query"};
constexpr std::array<std::string_view, 4> kProtocols{"server_protocol", "protocol", "request.proto", "RequestProtocol"};
constexpr std::array<std::string_view, 4> kStatuses{"status", "status_code", "response", "DownstreamStatus"};
constexpr std::array<std::string_view, 7> kSizes{
    "body_bytes_sent", "bytes_sent", "size", "bytes", "size_bytes", "response_size", "DownstreamContentSize"};
constexpr std::array<std::string_view, 4> kReferers{"http_referer", "referer", "referrer", "request_Referer"};
constexpr std::array<std::string_view, 4> kAgents{"http_user_agent", "user_agent", "agent", "request_User-Agent"};
constexpr std::array<std::string_view, 4> kDurations{"request_time", "duration", "seconds", "response_time"};

template <std::size_t Count>
bool is_one_of(std::string_view name, const std::array<std::string_view, Count>& names) noexcept {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::optional<double> decimal_of(const JsonField& field) noexcept {
  switch (field.kind) {
    case JsonField::Kind::kInteger:
      return static_cast<double>(field.integer);
    case JsonField::Kind::kNumber:
      return field.number;
    case JsonField::Kind::kText:
      return number_of<double>(field.text);
    default:
      return std::nullopt;
  }
}

std::optional<std::int64_t> time_of(const JsonField& field) noexcept {
  if (field.kind == JsonField::Kind::kText) {
    if (const auto time = parse_iso_time(field.text)) {
      return time;
    }
    if (const auto time = parse_clf_time(field.text)) {
      return time;
    }
  }
  const auto value = decimal_of(field);
  return value ? std::optional(from_epoch(*value)) : std::nullopt;
}

}  // namespace

bool AccessParser::fail(std::string why) {
  error_ = std::move(why);
  return false;
}

bool AccessParser::parse(std::string_view line, AccessLine& request) {
  request = {};
  const bool is_json = format_ == AccessFormat::json || (format_ == AccessFormat::automatic && line.starts_with('{'));
  return is_json ? parse_json(line, request) : parse_common(line, request);
}

bool AccessParser::parse_common(std::string_view line, AccessLine& request) {
  Cursor cursor(line);
  request.client = without_dash(cursor.word());
  static_cast<void>(cursor.word());  // The identity that no server asks for any more.
  request.user = without_dash(cursor.word());
  // The name of a user may contain spaces.
  auto time = cursor.bracketed();
  for (int i = 0; i < 8 && !time && !cursor.at_end(); ++i) {
    const std::string_view more = cursor.word();
    if (request.user.empty()) {
      break;
    }
    request.user = {request.user.data(), static_cast<std::size_t>(more.data() + more.size() - request.user.data())};
    time = cursor.bracketed();
  }
  if (!time) {
    return fail(
        "has no time in brackets after client, identity and user; set `format`, or check that it is an access log");
  }
  const auto time_ns = parse_clf_time(*time);
  if (!time_ns) {
    return fail("the time " + quote(*time) + " is not of the form 10/Oct/2000:13:55:36 -0700");
  }
  request.time_ns = *time_ns;
  const auto http = cursor.quoted();
  if (!http) {
    return fail("has no request in quotes after the time");
  }
  split_request(*http, request);
  split_query(request);
  const std::string_view status = cursor.word();
  const auto code = number_of<std::uint16_t>(status);
  if (!code || *code > 999) {
    return fail("the status " + quote(status) + " is not a number of three digits");
  }
  request.status = *code;
  const std::string_view size = without_dash(cursor.word());
  const auto bytes = size.empty() ? std::optional<std::uint64_t>(0) : number_of<std::uint64_t>(size);
  if (!bytes) {
    return fail("the size " + quote(size) + " is neither a number nor -");
  }
  request.size_bytes = *bytes;
  if (const auto referer = cursor.quoted()) {
    request.referer = without_dash(*referer);
    request.agent = without_dash(cursor.quoted().value_or(std::string_view()));
  }
  return true;
}

bool AccessParser::parse_json(std::string_view line, AccessLine& request) {
  if (!json_.parse(line)) {
    return fail("is not a JSON object: " + json_.error());
  }
  bool has_time = false;
  bool has_status = false;
  const auto text = [](std::string_view& to, const JsonField& field) {
    if (field.kind == JsonField::Kind::kText) {
      to = without_dash(field.text);
    }
    return true;
  };
  for (const JsonField& field : json_.fields()) {
    const std::string_view name = field.name;
    if (is_one_of(name, kTimes)) {
      if (const auto time = time_of(field)) {
        request.time_ns = *time;
        has_time = true;
      }
    } else if (is_one_of(name, kStatuses)) {
      // Several of the known names may occur; one with another kind of value is ignored.
      if (const auto value = decimal_of(field); value && *value >= 0 && *value <= 999) {
        has_status = true;
        request.status = static_cast<std::uint16_t>(*value);
      }
    } else if (is_one_of(name, kSizes)) {
      if (const auto value = decimal_of(field); value && *value >= 0 && *value < 1.8e19) {
        request.size_bytes = static_cast<std::uint64_t>(*value);
      }
    } else if (is_one_of(name, kDurations)) {
      if (const auto value = decimal_of(field)) {
        request.seconds = *value;
      }
    } else if (name == "request" && field.kind == JsonField::Kind::kText) {
      split_request(field.text, request);
    } else {
      static_cast<void>((is_one_of(name, kClients) && text(request.client, field)) ||
                        (is_one_of(name, kUsers) && text(request.user, field)) ||
                        (is_one_of(name, kMethods) && text(request.method, field)) ||
                        (is_one_of(name, kPaths) && text(request.path, field)) ||
                        (is_one_of(name, kQueries) && text(request.query, field)) ||
                        (is_one_of(name, kProtocols) && text(request.protocol, field)) ||
                        (is_one_of(name, kReferers) && text(request.referer, field)) ||
                        (is_one_of(name, kAgents) && text(request.agent, field)));
    }
  }
  if (!has_time) {
    return fail(
        "has no time in any of the known fields (`time`, `timestamp`, `@timestamp`, `ts`, `time_local`, "
        "`time_iso8601`)");
  }
  if (!has_status) {
    return fail("has no status in any of the known fields (`status`, `status_code`)");
  }
  split_query(request);
  return true;
}

}  // namespace logs
