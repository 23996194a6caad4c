#include "pipeline/diagnostics.hpp"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <set>
#include <tuple>
#include <utility>

#include "base/text.hpp"

namespace tenon {
namespace internal {
namespace {

/// Longest message that is shown, in bytes.
constexpr std::size_t kMaxMessage = 2000;

/// Longest part of a source line that is shown, in bytes.
constexpr std::size_t kShownBytes = 160;
/// Errors beyond this number are only counted: thousands of errors in one file have one cause.
constexpr std::size_t kMaxGroups = 200;

constexpr std::string_view kBold = "\033[1m";
constexpr std::string_view kRed = "\033[1;31m";
constexpr std::string_view kYellow = "\033[1;35m";
constexpr std::string_view kCyan = "\033[1;36m";
constexpr std::string_view kGreen = "\033[1;32m";
constexpr std::string_view kReset = "\033[0m";

std::string_view severity_name(Severity severity) {
  switch (severity) {
    case Severity::kError:
      return "error";
    case Severity::kWarning:
      return "warning";
    case Severity::kNote:
      return "note";
  }
  return "error";
}

std::string_view severity_color(Severity severity) {
  switch (severity) {
    case Severity::kError:
      return kRed;
    case Severity::kWarning:
      return kYellow;
    case Severity::kNote:
      return kCyan;
  }
  return kRed;
}

bool is_continuation(char byte) {
  return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80U;
}

/// Returns how many columns a terminal uses for a character: East Asian wide characters and emoji
/// take two, combining marks none.
std::size_t display_width(char32_t character) {
  if (character >= 0x300 && character <= 0x36F) {
    return 0;
  }
  struct Range {
    char32_t first;
    char32_t last;
  };
  static constexpr Range kWide[] = {{0x1100, 0x115F},   {0x2E80, 0xA4CF},  {0xAC00, 0xD7A3}, {0xF900, 0xFAFF},
                                    {0xFE30, 0xFE6F},   {0xFF00, 0xFF60},  {0xFFE0, 0xFFE6}, {0x1F300, 0x1F64F},
                                    {0x1F900, 0x1F9FF}, {0x20000, 0x3FFFD}};
  return std::any_of(std::begin(kWide), std::end(kWide),
                     [&](const Range& range) { return character >= range.first && character <= range.last; })
             ? 2
             : 1;
}

/// Decodes the well-formed UTF-8 sequence `text`.
char32_t decode(std::string_view text) {
  const auto first = static_cast<unsigned char>(text.front());
  char32_t character = text.size() == 1 ? first : first & (0x7FU >> text.size());
  for (const char byte : text.substr(1)) {
    character = (character << 6U) | (static_cast<unsigned char>(byte) & 0x3FU);
  }
  return character;
}

/// One character of a source line as it is shown, its length in the line in bytes, and its width in
/// columns.
struct Shown {
  std::string text;
  std::size_t bytes = 1;
  std::size_t width = 1;
};

Shown show(std::string_view rest) {
  const auto byte = static_cast<unsigned char>(rest.front());
  if (byte == '\t') {
    return {"\t", 1, 1};
  }
  const std::size_t length = utf8_length(rest);
  if (length == 0 || byte < 0x20 || byte == 0x7F) {
    return {"?", 1, 1};
  }
  return {std::string(rest.substr(0, length)), length, display_width(decode(rest.substr(0, length)))};
}

/// Appends the source line and the line with the caret below it, clipped to the width of a screen.
void append_source(std::string& out, const Diagnostic& item, bool color) {
  const std::string_view line = item.source_line;
  const std::size_t at = std::min<std::size_t>(item.column > 0 ? item.column - 1 : 0, line.size());
  std::size_t begin = at > kShownBytes / 2 ? at - kShownBytes / 2 : 0;
  if (line.size() <= kShownBytes) {
    begin = 0;
  }
  while (begin > 0 && is_continuation(line[begin])) {
    --begin;
  }
  const std::size_t end = std::min(line.size(), begin + kShownBytes);
  std::string shown(begin > 0 ? "..." : "");
  std::string marks(begin > 0 ? "   " : "");
  const std::size_t marked_end = at + std::max<std::size_t>(1, item.length);
  for (std::size_t i = begin; i < end;) {
    const Shown one = show(line.substr(i));
    shown += one.text;
    if (i + one.bytes <= at) {
      marks += one.text == "\t" ? std::string("\t") : std::string(one.width, ' ');
    } else if (i < marked_end) {
      marks += i <= at ? "^" + std::string(one.width > 1 ? one.width - 1 : 0, '~') : std::string(one.width, '~');
    }
    i += one.bytes;
  }
  if (at >= end) {
    marks += '^';
  }
  if (end < line.size()) {
    shown += "...";
  }
  const std::string number = std::to_string(item.line);
  const std::string gutter(std::max<std::size_t>(number.size(), 5), ' ');
  out += gutter.substr(number.size()) + number + " | " + shown + '\n';
  out += gutter + " | ";
  if (color) {
    out += kGreen;
  }
  out += marks;
  if (color) {
    out += kReset;
  }
  out += '\n';
}

}  // namespace

std::size_t utf8_length(std::string_view text) noexcept {
  if (text.empty()) {
    return 0;
  }
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = at(0);
  if (first < 0x80) {
    return 1;
  }
  const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < length) {
    return 0;
  }
  for (std::size_t i = 1; i < length; ++i) {
    if ((at(i) & 0xC0U) != 0x80U) {
      return 0;
    }
  }
  // The second byte shows overlong forms, surrogates and code points beyond U+10FFFF.
  const unsigned second = at(1);
  if ((first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F) || (first == 0xF0 && second < 0x90) ||
      (first == 0xF4 && second > 0x8F)) {
    return 0;
  }
  return length;
}

std::string json_quote(std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out = "\"";
  while (!text.empty()) {
    const auto byte = static_cast<unsigned char>(text.front());
    const std::size_t length = utf8_length(text);
    if (length == 0) {
      out += "\xEF\xBF\xBD";
    } else if (byte == '"' || byte == '\\') {
      out += '\\';
      out += text.front();
    } else if (byte == '\n') {
      out += "\\n";
    } else if (byte < 0x20 || byte == 0x7F) {
      out += std::string("\\u00") + kHex[byte >> 4U] + kHex[byte & 15U];
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out + '"';
}

std::string suggest(std::string_view word, std::span<const std::string> candidates, std::string otherwise) {
  std::string found = did_you_mean(word, candidates, 1);
  return found.empty() ? otherwise : found;
}

std::string list_names(std::span<const std::string> names, std::size_t limit) {
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i == limit) {
      return text + " and " + std::to_string(names.size() - limit) + " more";
    }
    text += (i > 0 ? ", " : "") + names[i];
  }
  return text;
}

Reporter::Reporter(std::string file, std::string_view text, std::vector<std::string> overrides)
    : file_(std::move(file)), text_(text), overrides_(std::move(overrides)) {
  line_starts_.push_back(0);
  for (std::size_t at = text_.find('\n'); at != std::string_view::npos; at = text_.find('\n', at + 1)) {
    line_starts_.push_back(at + 1);
  }
}

std::size_t Reporter::add(Severity severity, const Place& place, std::string message, std::string hint) {
  groups_.push_back({{severity, place, printable(message, kMaxMessage), printable(hint, kMaxMessage)}, {}});
  return groups_.size() - 1;
}

std::size_t Reporter::error(const Place& place, std::string message, std::string hint) {
  ++error_count_;
  return add(Severity::kError, place, std::move(message), std::move(hint));
}

std::size_t Reporter::warning(const Place& place, std::string message, std::string hint) {
  return add(Severity::kWarning, place, std::move(message), std::move(hint));
}

void Reporter::note(std::size_t group, const Place& place, std::string message) {
  groups_[group].notes.push_back({Severity::kNote, place, printable(message, kMaxMessage), {}});
}

std::string_view Reporter::line_text(std::uint32_t line) const {
  if (line == 0 || line > line_starts_.size()) {
    return {};
  }
  const std::size_t begin = line_starts_[line - 1];
  const std::size_t end = line < line_starts_.size() ? line_starts_[line] - 1 : text_.size();
  std::string_view found = text_.substr(begin, end - begin);
  if (found.ends_with('\r')) {
    found.remove_suffix(1);
  }
  return found;
}

Diagnostic Reporter::render(Message message) const {
  Diagnostic out;
  out.severity = message.severity;
  out.message = std::move(message.message);
  out.hint = std::move(message.hint);
  const Place& place = message.place;
  if (place.override_number > 0) {
    out.file = "--set " + printable(overrides_[place.override_number - 1]);
    return out;
  }
  out.file = printable(file_);
  out.line = place.line;
  out.column = place.column;
  std::string_view line = line_text(place.line);
  out.length = std::max<std::uint32_t>(1, place.length);
  // Each message of a longer line would repeat the whole line.
  constexpr std::size_t kMaxLine = 4096;
  if (line.size() > kMaxLine) {
    line = place.column < kMaxLine - kShownBytes ? line.substr(0, kMaxLine) : std::string_view();
  }
  out.source_line = std::string(line);
  return out;
}

std::string Reporter::place_text(const Place& place) const {
  if (place.override_number > 0) {
    return "--set " + printable(overrides_[place.override_number - 1]);
  }
  return printable(file_) + ":" + std::to_string(place.line) + ":" + std::to_string(place.column);
}

void Reporter::move_to(Diagnostics& diagnostics) {
  const auto key = [](const Group& group) {
    const Place& place = group.main.place;
    return std::tuple(place.override_number, place.line, place.column);
  };
  std::stable_sort(groups_.begin(), groups_.end(), [&](const Group& a, const Group& b) { return key(a) < key(b); });
  std::set<std::tuple<std::uint32_t, std::uint32_t, std::uint32_t, std::string>> seen;
  std::size_t written = 0;
  std::size_t left_out = 0;
  for (Group& group : groups_) {
    const Place& place = group.main.place;
    if (!seen.emplace(place.override_number, place.line, place.column, group.main.message).second) {
      continue;
    }
    if (written == kMaxGroups) {
      ++left_out;
      continue;
    }
    ++written;
    diagnostics.items.push_back(render(std::move(group.main)));
    for (Message& note : group.notes) {
      diagnostics.items.push_back(render(std::move(note)));
    }
  }
  if (left_out > 0) {
    diagnostics.items.push_back(
        render({Severity::kError, {}, std::to_string(left_out) + " more errors are not shown", {}}));
  }
  groups_.clear();
}

}  // namespace internal

bool Diagnostics::has_errors() const noexcept {
  return std::any_of(items.begin(), items.end(),
                     [](const Diagnostic& item) { return item.severity == Severity::kError; });
}

std::string Diagnostics::to_text(bool color) const {
  using namespace internal;
  std::string out;
  for (const Diagnostic& item : items) {
    std::string place = item.file;
    if (item.line > 0) {
      place += ':' + std::to_string(item.line) + ':' + std::to_string(item.column);
    }
    if (color) {
      out += std::string(kBold) + place + ": " + std::string(severity_color(item.severity)) +
             std::string(severity_name(item.severity)) + ": " + std::string(kReset) + std::string(kBold) +
             item.message + std::string(kReset) + '\n';
    } else {
      out += place + ": " + std::string(severity_name(item.severity)) + ": " + item.message + '\n';
    }
    if (item.line > 0 && (!item.source_line.empty() || item.column <= 1)) {
      append_source(out, item, color);
    }
    if (!item.hint.empty()) {
      out += (item.line > 0 ? "      = " : "  = ") + item.hint + '\n';
    }
  }
  return out;
}

std::string Diagnostics::to_json() const {
  using internal::json_quote;
  std::string out = "[";
  for (const Diagnostic& item : items) {
    out += out.size() > 1 ? ",\n " : "";
    out += "{\"severity\": \"" + std::string(internal::severity_name(item.severity)) +
           "\", \"file\": " + json_quote(item.file) + ", \"line\": " + std::to_string(item.line) +
           ", \"column\": " + std::to_string(item.column) + ", \"length\": " + std::to_string(item.length) +
           ", \"message\": " + json_quote(item.message) + ", \"hint\": " + json_quote(item.hint) +
           ", \"source_line\": " + json_quote(item.source_line) + "}";
  }
  return out + "]\n";
}

}  // namespace tenon
