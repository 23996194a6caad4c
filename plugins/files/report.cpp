#include "files/report.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <optional>

#include "common/file_name.hpp"
#include "common/utf8.hpp"
#include "files/charts.hpp"

namespace files {
namespace {

using tenon::plugins::view;

/// Number of paths shown per group; the JSON form has all of them.
constexpr flatbuffers::uoffset_t kMaxPathsOfGroup = 50;
/// Number of groups that are initially open.
constexpr flatbuffers::uoffset_t kOpenGroups = 3;

constexpr std::string_view kStyle = R"css(
:root { color-scheme: light dark; --page: #f6f7f9; --card: #fff; --ink: #1c2330; --soft: #5b6575; --line: #e2e6ec;
  --track: #eef1f5; --accent: #2f6fde; --warn: #b4540a; }
@media (prefers-color-scheme: dark) { :root { --page: #12151b; --card: #1a1f28; --ink: #e6eaf1; --soft: #98a3b5;
  --line: #2b323f; --track: #242b37; --accent: #6ea3ff; --warn: #f0a35e; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 28px 20px 60px; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 4px; overflow-wrap: anywhere; }
.tree { color: var(--ink); font-size: 1rem; margin-bottom: 4px; }
h2 { font-size: 1.05rem; margin: 0 0 14px; }
p { margin: 0; }
.soft { color: var(--soft); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 14px; margin: 22px 0 18px; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 18px 20px; }
.tile b { display: block; font-size: 1.45rem; line-height: 1.3; font-variant-numeric: tabular-nums; }
.tile.warn b { color: var(--warn); }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 380px), 1fr)); gap: 18px; }
.scroll { overflow-x: auto; }
section { margin-top: 18px; }
svg { display: block; width: 100%; max-width: 480px; height: auto; margin: 0 auto; }
svg text { font-size: 13px; fill: var(--ink); }
svg .label { fill: var(--soft); } svg .small { font-size: 11px; }
svg .end { text-anchor: end; } svg .middle { text-anchor: middle; }
svg .track { fill: var(--track); } svg .bar { fill: var(--accent); } svg .axis { stroke: var(--line); }
table { width: 100%; border-collapse: collapse; }
th { text-align: left; font-weight: 600; color: var(--soft); font-size: .85rem; }
th, td { padding: 7px 12px 7px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
tr:last-child td { border-bottom: 0; }
.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.path, code { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: .86rem;
  overflow-wrap: anywhere; }
code { color: var(--soft); }
details { border-bottom: 1px solid var(--line); padding: 8px 0; } details:last-of-type { border-bottom: 0; }
summary { cursor: pointer; font-variant-numeric: tabular-nums; }
details ul { margin: 8px 0 4px; padding-left: 20px; }
footer { margin-top: 26px; font-size: .85rem; }
@media (max-width: 480px) { main { padding: 20px 12px 40px; } .card { padding: 14px; }
  .tiles { grid-template-columns: 1fr 1fr; gap: 10px; } th, td { padding-right: 8px; }
  th:last-child, td:last-child { padding-right: 0; } }
)css";

void append_escaped(std::string& out, char c) {
  switch (c) {
    case '&':
      out += "&amp;";
      return;
    case '<':
      out += "&lt;";
      return;
    case '>':
      out += "&gt;";
      return;
    case '"':
      out += "&quot;";
      return;
    case '\'':
      out += "&#39;";
      return;
    default:
      break;
  }
  const auto byte = static_cast<unsigned char>(c);
  if (byte < 0x20 || byte == 0x7F) {
    // U+2400 and up: symbols for control characters.
    out += "\xE2\x90";
    out += static_cast<char>(byte == 0x7F ? 0xA1 : 0x80 + byte);
  } else {
    out += c;
  }
}

std::string tile(const std::string& value, std::string_view label, bool warn = false) {
  return "<div class=\"card tile" + std::string(warn ? " warn" : "") + "\"><b>" + value + "</b><span class=\"soft\">" +
         std::string(label) + "</span></div>\n";
}

std::string_view noun(std::uint64_t count, std::string_view one, std::string_view many) {
  return count == 1 ? one : many;
}

std::string tiles(const Inventory& inventory) {
  const Duplicates& duplicates = *inventory.duplicates();
  const auto& totals = *inventory.extensions();
  const auto extensions = static_cast<std::uint64_t>(std::count_if(
      totals.begin(), totals.end(), [](const ExtensionTotal* total) { return !view(total->extension()).empty(); }));
  const std::uint64_t groups = duplicates.groups()->size();
  return "<div class=\"tiles\">\n" +
         tile(human_count(inventory.total_files()), noun(inventory.total_files(), "file", "files")) +
         tile(human_size(inventory.size_bytes()), "in all") +
         tile(human_count(extensions), noun(extensions, "extension", "extensions")) +
         tile(human_count(groups), noun(groups, "group of duplicates", "groups of duplicates")) +
         tile(human_size(duplicates.wasted_bytes()), "in further copies", duplicates.wasted_bytes() != 0) + "</div>\n";
}

std::string charts(const Inventory& inventory) {
  return "<div class=\"charts\">\n<div class=\"card\"><h2>Bytes by extension</h2>\n" + extension_chart(inventory) +
         "</div>\n<div class=\"card\"><h2>Files by size</h2>\n" + size_chart(inventory) + "</div>\n</div>\n";
}

std::string largest_files(const Inventory& inventory) {
  std::string out = "<section class=\"card\"><h2>Largest files</h2>\n";
  if (inventory.largest()->size() == 0) {
    return out + "<p class=\"soft\">None.</p></section>\n";
  }
  out +=
      "<div class=\"scroll\"><table>\n<thead><tr><th>Path</th><th class=\"number\">Size</th><th class=\"number\">Share"
      "</th></tr></thead>\n<tbody>\n";
  for (const Entry* entry : *inventory.largest()) {
    out += "<tr><td class=\"path\">" + html_escape(view(entry->path())) + "</td><td class=\"number\">" +
           human_size(entry->size_bytes()) + "</td><td class=\"number\">" +
           human_share(entry->size_bytes(), inventory.size_bytes()) + "</td></tr>\n";
  }
  return out + "</tbody></table></div></section>\n";
}

std::string group(const DuplicateGroup& group, bool open) {
  const auto& paths = *group.paths();
  std::string out = "<details" + std::string(open ? " open" : "") + "><summary>" +
                    human_count(paths.size(), "file", "files") + " of " + human_size(group.size_bytes()) + ", " +
                    human_size(group.wasted_bytes()) + " in further copies</summary>\n<code>" +
                    html_escape(view(group.digest())) + "</code>\n<ul>\n";
  for (flatbuffers::uoffset_t i = 0; i < std::min(paths.size(), kMaxPathsOfGroup); ++i) {
    out += "<li class=\"path\">" + html_escape(view(paths.Get(i))) + "</li>\n";
  }
  out += "</ul>\n";
  if (paths.size() > kMaxPathsOfGroup) {
    out += "<p class=\"soft\">and " + human_count(paths.size() - kMaxPathsOfGroup) + " more</p>\n";
  }
  return out + "</details>\n";
}

std::string duplicate_groups(const Inventory& inventory, std::uint32_t max_groups) {
  const auto& groups = *inventory.duplicates()->groups();
  std::string out = "<section class=\"card\"><h2>Duplicates</h2>\n";
  if (groups.size() == 0) {
    return out + "<p class=\"soft\">No two files have the same content.</p></section>\n";
  }
  const auto shown = std::min<flatbuffers::uoffset_t>(groups.size(), max_groups);
  for (flatbuffers::uoffset_t i = 0; i < shown; ++i) {
    out += group(*groups.Get(i), i < kOpenGroups);
  }
  if (shown < groups.size()) {
    out += "<p class=\"soft\">and " + human_count(groups.size() - shown, "more group", "more groups") +
           ", the least wasteful; the JSON form lists them all</p>\n";
  }
  return out + "</section>\n";
}

/// The part before the last slash; only the slash for entries of the root; empty without a slash.
std::string_view parent_of(std::string_view path) {
  const auto slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view()
                                         : path.substr(0, slash == 0 && path.size() > 1 ? 1 : slash);
}

/// Whether `directory` is `above` or below it.
bool is_within(std::string_view directory, std::string_view above) {
  return above.empty() || directory == above ||
         (directory.starts_with(above) && (above.back() == '/' || directory[above.size()] == '/'));
}

/// The directory whose walk found `path` at `relative_path` below it.
std::optional<std::string_view> root_of(std::string_view path, std::string_view relative_path) {
  if (relative_path.empty() || !path.ends_with(relative_path) || path.size() <= relative_path.size()) {
    return std::nullopt;
  }
  std::string_view root = path.substr(0, path.size() - relative_path.size());
  if (root.back() != '/') {
    return std::nullopt;
  }
  if (root.size() > 1) {
    root.remove_suffix(1);
  }
  return root;
}

}  // namespace

std::string html_escape(std::string_view text) {
  std::string out;
  for (const char c : tenon::plugins::to_utf8(text)) {
    append_escaped(out, c);
  }
  return out;
}

std::string human_size(std::uint64_t size_bytes) {
  static constexpr std::array<const char*, 7> kUnits{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  std::size_t unit = 0;
  auto value = static_cast<double>(size_bytes);
  while (value >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  char text[32];
  const bool whole = value == static_cast<double>(static_cast<std::uint64_t>(value));
  std::snprintf(text, sizeof(text), unit == 0 || whole || value >= 100 ? "%.0f %s" : "%.1f %s", value, kUnits[unit]);
  return text;
}

std::string human_count(std::uint64_t count) {
  const std::string digits = std::to_string(count);
  std::string out;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i != 0 && (digits.size() - i) % 3 == 0) {
      out += "\xE2\x80\xAF";
    }
    out += digits[i];
  }
  return out;
}

std::string human_count(std::uint64_t count, std::string_view one, std::string_view many) {
  return human_count(count) + " " + std::string(noun(count, one, many));
}

std::string human_share(std::uint64_t part, std::uint64_t whole) {
  const double share = whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
  const auto per_mille = static_cast<std::uint64_t>(std::llround(1000 * share));
  return human_count(per_mille / 10) + "." + std::to_string(per_mille % 10) + " %";
}

std::string human_time(std::int64_t seconds_since_1970) {
  constexpr std::int64_t kYear0 = -62'167'219'200;
  constexpr std::int64_t kEndOfYear9999 = 253'402'300'799;
  const std::chrono::sys_seconds time{std::chrono::seconds(std::clamp(seconds_since_1970, kYear0, kEndOfYear9999))};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  char text[80];
  std::snprintf(text, sizeof(text), "%04d-%02u-%02u %02d:%02d UTC", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()));
  return text;
}

std::string_view tree_of(const Inventory& inventory) {
  std::optional<std::string_view> walked;
  std::optional<std::string_view> deepest;
  for (const Entry* entry : *inventory.files()) {
    const std::string_view path = view(entry->path());
    const std::string_view parent = parent_of(path);
    if (!deepest) {
      walked = root_of(path, view(entry->relative_path()));
      deepest = parent;
      continue;
    }
    if (walked && walked != root_of(path, view(entry->relative_path()))) {
      walked.reset();
    }
    while (!is_within(parent, *deepest)) {
      deepest = parent_of(*deepest);
    }
  }
  return walked ? *walked : deepest.value_or(std::string_view());
}

std::string inventory_to_html(const Inventory& inventory, std::uint32_t max_groups, std::int64_t made_s) {
  const std::string title = html_escape(view(inventory.title()));
  const std::string tree = html_escape(tree_of(inventory));
  std::string out =
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>" +
      title + (tree.empty() ? "" : ": " + tree) + "</title>\n<style>" + std::string(kStyle) +
      "</style>\n</head>\n<body>\n<main>\n<h1>" + title + "</h1>\n";
  if (!tree.empty()) {
    out += "<p class=\"path tree\">" + tree + "</p>\n";
  }
  const std::string when = ", " + human_time(made_s) + "</p>\n";
  if (inventory.total_files() == 0) {
    out += "<p class=\"soft\">Inventory of no files" + when + "<section class=\"card\"><p>No files.</p></section>\n";
  } else {
    out += "<p class=\"soft\">" + human_count(inventory.total_files(), "file", "files") + ", compared by " +
           html_escape(inventory.algorithm()->size() == 0 ? "content" : view(inventory.algorithm())) + when;
    out += tiles(inventory);
    out += charts(inventory);
    out += largest_files(inventory);
    out += duplicate_groups(inventory, max_groups);
  }
  return out + "<footer class=\"soft\">Made by tenon's plugin files.</footer>\n</main>\n</body>\n</html>\n";
}

}  // namespace files
