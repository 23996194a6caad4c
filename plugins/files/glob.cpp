#include "files/glob.hpp"

#include <cstddef>
#include <optional>
#include <utility>

#include <tenon/plugin.hpp>

#include "common/file_name.hpp"
#include "common/utf8.hpp"

namespace files {
namespace {

constexpr std::size_t kMaxAlternatives = 1000;
constexpr std::size_t kMaxPatternBytes = 4096;

[[noreturn]] void broken(std::string_view pattern, const std::string& why) {
  throw tenon::TaskError(TENON_INVALID_ARGUMENT, "the pattern " + tenon::plugins::quote(pattern) + " " + why);
}

/// The position after the set that starts at `open`; nullopt if the set is not closed.
std::optional<std::size_t> end_of_set(std::string_view pattern, std::size_t open) {
  std::size_t at = open + 1;
  if (at < pattern.size() && (pattern[at] == '!' || pattern[at] == '^')) {
    ++at;
  }
  for (bool first = true; at < pattern.size() && pattern[at] != '/'; first = false) {
    if (pattern[at] == ']' && !first) {
      return at + 1;
    }
    at += pattern[at] == '\\' && at + 1 < pattern.size() ? 2 : 1;
  }
  return std::nullopt;
}

/// Expands `{a,b}`, appending to `out`.
void expand(std::string_view whole, const std::string& pattern, std::vector<std::string>& out) {
  std::size_t open = std::string::npos;
  std::vector<std::size_t> cuts;
  std::size_t depth = 0;
  for (std::size_t at = 0; at < pattern.size(); ++at) {
    const char c = pattern[at];
    if (c == '\\') {
      if (++at == pattern.size()) {
        broken(whole, "ends in a backslash; write \\\\ for a backslash");
      }
    } else if (c == '[') {
      if (const auto end = end_of_set(pattern, at)) {
        at = *end - 1;
      } else {
        broken(whole, "has a [ without a ]; write \\[ for the character");
      }
    } else if (c == '{') {
      if (depth++ == 0) {
        open = at;
        cuts = {at};
      }
    } else if (c == ',' && depth == 1) {
      cuts.push_back(at);
    } else if (c == '}' && depth > 0 && --depth == 0) {
      cuts.push_back(at);
      for (std::size_t i = 0; i + 1 < cuts.size(); ++i) {
        expand(
            whole,
            pattern.substr(0, open) + pattern.substr(cuts[i] + 1, cuts[i + 1] - cuts[i] - 1) + pattern.substr(at + 1),
            out);
      }
      return;
    }
  }
  if (depth != 0) {
    broken(whole, "has a { without a }; write \\{ for the character");
  }
  if (out.size() == kMaxAlternatives) {
    broken(whole, "has more than " + std::to_string(kMaxAlternatives) + " alternatives; use several patterns");
  }
  out.push_back(pattern);
}

/// The character at `at`, which advances past it. A byte that is not UTF-8 is a separate character.
char32_t next_character(std::string_view text, std::size_t& at) {
  const auto byte = static_cast<unsigned char>(text[at]);
  const auto character = tenon::plugins::decode_utf8(text, at);
  return character ? *character : 0x110000u + byte;
}

bool set_contains(std::string_view set, char32_t character) {
  std::size_t at = 1;
  const bool negated = set[at] == '!' || set[at] == '^';
  at += negated ? 1 : 0;
  const auto next = [&] {
    at += set[at] == '\\' ? 1 : 0;
    return next_character(set, at);
  };
  bool found = false;
  while (at + 1 < set.size()) {
    const char32_t low = next();
    char32_t high = low;
    if (at + 2 < set.size() && set[at] == '-') {
      ++at;
      high = next();
    }
    found = found || (low <= character && character <= high);
  }
  return found != negated;
}

/// Matches one part of a path against one part of a pattern. Backtracks only to the last star, so
/// the time is at most the product of the lengths.
bool part_matches(std::string_view pattern, std::string_view name) {
  std::size_t p = 0;
  std::size_t n = 0;
  std::size_t star = std::string_view::npos;
  std::size_t star_name = 0;
  while (n < name.size()) {
    std::size_t next_n = n;
    std::size_t next_p = p;
    bool fits = false;
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      star_name = n;
      continue;
    }
    if (p < pattern.size()) {
      const char32_t character = next_character(name, next_n);
      if (pattern[p] == '?') {
        ++next_p;
        fits = true;
      } else if (pattern[p] == '[') {
        next_p = *end_of_set(pattern, p);
        fits = set_contains(pattern.substr(p, next_p - p), character);
      } else {
        next_p += pattern[p] == '\\' ? 1 : 0;
        fits = next_character(pattern, next_p) == character;
      }
    }
    if (fits) {
      n = next_n;
      p = next_p;
    } else if (star != std::string_view::npos) {
      next_character(name, star_name);
      n = star_name;
      p = star + 1;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') {
    ++p;
  }
  return p == pattern.size();
}

std::vector<std::string_view> split(std::string_view path) {
  std::vector<std::string_view> parts;
  for (std::size_t begin = 0;;) {
    const auto slash = path.find('/', begin);
    const auto part = path.substr(begin, slash - begin);
    if (!part.empty() && part != ".") {
      parts.push_back(part);
    }
    if (slash == std::string_view::npos) {
      return parts;
    }
    begin = slash + 1;
  }
}

/// Matches parts against parts, using the set of reachable pattern positions.
bool parts_match(const std::vector<std::string>& pattern, const std::vector<std::string_view>& path) {
  std::vector<bool> reached(pattern.size() + 1, false);
  reached[0] = true;
  const auto skip_empty = [&](std::vector<bool>& at) {
    // `**` in the middle also matches no directory; at the end it requires something below.
    for (std::size_t i = 0; i + 1 < pattern.size(); ++i) {
      if (at[i] && pattern[i] == "**") {
        at[i + 1] = true;
      }
    }
  };
  skip_empty(reached);
  for (const auto part : path) {
    std::vector<bool> next(pattern.size() + 1, false);
    for (std::size_t i = 0; i < pattern.size(); ++i) {
      if (!reached[i]) {
        continue;
      }
      if (pattern[i] == "**") {
        next[i] = true;
        next[i + 1] = next[i + 1] || i + 1 == pattern.size();
      } else if (part_matches(pattern[i], part)) {
        next[i + 1] = true;
      }
    }
    skip_empty(next);
    reached = std::move(next);
  }
  return reached[pattern.size()];
}

}  // namespace

Glob::Glob(std::string_view pattern) {
  if (pattern.empty()) {
    broken(pattern, "is empty; omit it to match everything");
  }
  if (pattern.size() > kMaxPatternBytes) {
    broken(pattern, "is longer than " + std::to_string(kMaxPatternBytes) + " bytes");
  }
  std::vector<std::string> expanded;
  expand(pattern, std::string(pattern), expanded);
  for (const std::string& text : expanded) {
    Alternative alternative;
    const auto slash = text.find('/');
    alternative.whole_path = slash != std::string::npos && slash + 1 != text.size();
    for (const auto part : split(text)) {
      alternative.parts.emplace_back(part);
    }
    if (alternative.parts.empty()) {
      broken(pattern, "matches nothing");
    }
    alternatives_.push_back(std::move(alternative));
  }
}

bool Glob::matches(std::string_view path) const {
  const auto parts = split(path);
  for (const Alternative& alternative : alternatives_) {
    if (alternative.whole_path || alternative.parts[0] == "**"
            ? parts_match(alternative.parts, parts)
            : !parts.empty() && part_matches(alternative.parts[0], parts.back())) {
      return true;
    }
  }
  return false;
}

}  // namespace files
