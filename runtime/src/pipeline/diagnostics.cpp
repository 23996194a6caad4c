#include "pipeline/diagnostics.hpp"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <set>
#include <tuple>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/json.hpp"
#include "base/source_excerpt.hpp"
#include "base/text.hpp"
#include "pipeline/report_json.hpp"

namespace tenon {
namespace internal {
namespace {

/// Longest message that is shown, in bytes.
constexpr std::size_t kMaxMessage = 2000;

/// Errors beyond this number are only counted: thousands of errors in one file have one cause.
constexpr std::size_t kMaxGroups = 200;

constexpr std::string_view kBold = "\033[1m";
constexpr std::string_view kRed = "\033[1;31m";
constexpr std::string_view kYellow = "\033[1;35m";
constexpr std::string_view kCyan = "\033[1;36m";
constexpr std::string_view kGreen = "\033[1;32m";
constexpr std::string_view kReset = "\033[0m";

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

/// Appends the source line and the line with the caret below it, clipped to the width of a screen.
void append_source(std::string& out, const Diagnostic& item, bool color) {
  const SourceExcerpt excerpt = excerpt_of(item.source_line, item.column, item.length);
  const std::string number = std::to_string(item.line);
  const std::string gutter(std::max<std::size_t>(number.size(), 5), ' ');
  out += gutter.substr(number.size()) + number + " | " + excerpt.text + '\n';
  out += gutter + " | ";
  if (color) {
    out += kGreen;
  }
  out += excerpt.marks;
  if (color) {
    out += kReset;
  }
  out += '\n';
}

}  // namespace

std::string_view severity_name(Severity severity) noexcept {
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
    line = place.column < kMaxLine - kExcerptBytes ? line.substr(0, kMaxLine) : std::string_view();
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
  return internal::json_text(internal::to_json(*this)) + '\n';
}

}  // namespace tenon
