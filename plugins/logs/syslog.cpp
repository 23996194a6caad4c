#include "logs/syslog.hpp"

#include <charconv>
#include <optional>

#include "common/utf8.hpp"
#include "logs/times.hpp"

namespace logs {
namespace {

using tenon::plugins::quote;

/// Takes the text up to the next space, and the space.
std::string_view take_word(std::string_view& rest) noexcept {
  const std::size_t end = rest.find(' ');
  const std::string_view word = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
  return word;
}

std::string_view without_dash(std::string_view text) noexcept {
  return text == "-" ? std::string_view() : text;
}

std::uint32_t process_id_of(std::string_view text) noexcept {
  std::uint32_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  return code == std::errc() && end == text.data() + text.size() ? value : 0;
}

/// `<34>`; false if the line starts with something else in angle brackets.
bool take_priority(std::string_view& rest, SyslogLine& message) noexcept {
  if (!rest.starts_with('<')) {
    return true;
  }
  unsigned value = 0;
  const std::size_t end = rest.find('>');
  if (end == std::string_view::npos || end > 4) {
    return false;
  }
  const auto parsed = std::from_chars(rest.data() + 1, rest.data() + end, value);
  if (parsed.ec != std::errc() || parsed.ptr != rest.data() + end || value > 191) {
    return false;
  }
  message.has_priority = true;
  message.facility = static_cast<std::uint8_t>(value / 8);
  message.severity = static_cast<Severity>(value % 8);
  rest.remove_prefix(end + 1);
  return true;
}

/// The length of structured data such as `[a b="c"][d]`; 0 if it is malformed.
std::size_t data_size(std::string_view text) noexcept {
  bool inside = false;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      i += c == '\\' ? 1 : 0;
      quoted = c != '"';
    } else if (!inside) {
      if (c != '[') {
        return i;
      }
      inside = true;
    } else if (c == '"') {
      quoted = true;
    } else if (c == ']') {
      inside = false;
    }
  }
  return inside || quoted ? 0 : text.size();
}

/// What follows the version in RFC 5424.
std::string parse_5424(std::string_view rest, SyslogLine& message) {
  const std::string_view time = take_word(rest);
  const auto time_ns = time == "-" ? std::optional<std::int64_t>(0) : parse_iso_time(time);
  if (!time_ns) {
    return "the time " + quote(time) + " is not of the form 2003-10-11T22:14:15.003Z";
  }
  message.time_ns = *time_ns;
  message.host = without_dash(take_word(rest));
  message.program = without_dash(take_word(rest));
  message.process_id = process_id_of(take_word(rest));
  message.message_id = without_dash(take_word(rest));
  if (rest.starts_with('[')) {
    const std::size_t size = data_size(rest);
    if (size == 0) {
      return "the structured data are not closed (`]`)";
    }
    message.data = rest.substr(0, size);
    rest.remove_prefix(size);
  } else if (rest.starts_with('-')) {
    rest.remove_prefix(1);
  } else {
    return "has neither structured data nor - after the message id";
  }
  rest.remove_prefix(rest.starts_with(' ') ? 1 : 0);
  rest.remove_prefix(rest.starts_with("\xEF\xBB\xBF") ? 3 : 0);
  message.text = rest;
  return {};
}

/// `program[123]: text`; a line without such a tag is all text.
void split_tag(std::string_view rest, SyslogLine& message) {
  message.text = rest;
  const std::size_t colon = rest.find(": ");
  const std::size_t space = rest.find(' ');
  const bool ends_with_colon = colon == std::string_view::npos && !rest.empty() && rest.back() == ':';
  const std::size_t end = ends_with_colon ? rest.size() - 1 : colon;
  if (end == std::string_view::npos || end == 0 || (space != std::string_view::npos && space < end)) {
    return;
  }
  std::string_view tag = rest.substr(0, end);
  if (const std::size_t open = tag.find('['); open != std::string_view::npos && tag.back() == ']') {
    message.process_id = process_id_of(tag.substr(open + 1, tag.size() - open - 2));
    tag = tag.substr(0, open);
  }
  message.program = tag;
  message.text = ends_with_colon ? std::string_view() : rest.substr(end + 2);
}

}  // namespace

std::string parse_syslog(std::string_view line, const SyslogClock& clock, SyslogLine& message) {
  message = {};
  std::string_view rest = line;
  if (!take_priority(rest, message)) {
    return "the priority in angle brackets is not a number from 0 to 191";
  }
  if (message.has_priority && rest.starts_with("1 ")) {
    return parse_5424(rest.substr(2), message);
  }
  constexpr std::size_t kBsdTimeBytes = 15;
  if (const auto time = parse_bsd_time(rest.substr(0, kBsdTimeBytes))) {
    const auto time_ns = clock.year != 0 ? in_year(*time, clock.year) : not_after(*time, clock.latest_ns);
    if (!time_ns) {
      return "the day of " + quote(rest.substr(0, kBsdTimeBytes)) + " does not exist in the year; set `year`";
    }
    constexpr std::int64_t kNsPerMinute = 60'000'000'000;
    message.time_ns = *time_ns - clock.utc_offset_minutes * kNsPerMinute;
    rest.remove_prefix(kBsdTimeBytes);
    rest.remove_prefix(rest.starts_with(' ') ? 1 : 0);
  } else if (const auto iso = parse_iso_time(rest.substr(0, rest.find(' ')))) {
    message.time_ns = *iso;
    take_word(rest);
  } else {
    return "has no time of the form `Oct 11 22:14:15` or 2003-10-11T22:14:15Z; check that it is a file of syslog";
  }
  message.host = take_word(rest);
  split_tag(rest, message);
  return {};
}

}  // namespace logs
