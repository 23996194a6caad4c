#include "pipeline/path_glob.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/try.hpp"

namespace tenon::internal {
namespace {

constexpr std::size_t kMostAlternatives = 64;
constexpr std::size_t kMostStates = 63;  // The last bit is the end of the pattern.
constexpr std::size_t kMaxPatternBytes = 4096;

tl::unexpected<Error> broken(const std::string& why) {
  return fail(ErrorCode::kInvalidArgument, "the pattern " + why);
}

bool is_continuation(unsigned byte) {
  return (byte & 0xc0U) == 0x80;
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
Result<void> expand(const std::string& pattern, std::vector<std::string>& out) {
  std::size_t open = std::string::npos;
  std::vector<std::size_t> cuts;
  std::size_t depth = 0;
  for (std::size_t at = 0; at < pattern.size(); ++at) {
    const char c = pattern[at];
    if (c == '\\') {
      if (++at == pattern.size()) {
        return broken("ends in a backslash; write \\\\ for a backslash");
      }
    } else if (c == '[') {
      const auto end = end_of_set(pattern, at);
      if (!end) {
        return broken("has a [ without a ]; write \\[ for the character");
      }
      at = *end - 1;
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
        TENON_TRY(expand(
            pattern.substr(0, open) + pattern.substr(cuts[i] + 1, cuts[i + 1] - cuts[i] - 1) + pattern.substr(at + 1),
            out));
      }
      return {};
    }
  }
  if (depth != 0) {
    return broken("has a { without a }; write \\{ for the character");
  }
  if (out.size() == kMostAlternatives) {
    return broken("has more than " + std::to_string(kMostAlternatives) + " alternatives; use a list of patterns");
  }
  out.push_back(pattern);
  return {};
}

/// The bytes of a set, with its brackets; nullopt if it has characters beyond ASCII.
std::optional<std::array<bool, 256>> bytes_of_set(std::string_view set) {
  std::size_t at = 1;
  const bool negated = set[at] == '!' || set[at] == '^';
  at += negated ? 1 : 0;
  std::array<bool, 256> in{};
  const auto next = [&] {
    at += set[at] == '\\' ? 1 : 0;
    return static_cast<unsigned char>(set[at++]);
  };
  while (at + 1 < set.size()) {
    const unsigned low = next();
    unsigned high = low;
    if (at + 2 < set.size() && set[at] == '-') {
      ++at;
      high = next();
    }
    if (low >= 0x80 || high >= 0x80) {
      return std::nullopt;
    }
    for (unsigned byte = low; byte <= high; ++byte) {
      in[byte] = true;
    }
  }
  if (negated) {
    for (unsigned byte = 0; byte < 256; ++byte) {
      in[byte] = !in[byte] && byte != '/';
    }
  }
  in['/'] = false;
  return in;
}

}  // namespace

Result<PathGlob> PathGlob::parse(std::string_view pattern) {
  if (pattern.empty()) {
    return broken("is empty");
  }
  if (pattern.size() > kMaxPatternBytes) {
    return broken("is longer than " + std::to_string(kMaxPatternBytes) + " bytes");
  }
  std::vector<std::string> expanded;
  TENON_TRY(expand(std::string(pattern), expanded));
  PathGlob glob;
  for (const std::string& one : expanded) {
    if (one.empty()) {
      return broken("has an empty alternative, which matches nothing");
    }
    TENON_TRY(glob.add(one));
  }
  return glob;
}

Result<void> PathGlob::add(std::string_view pattern) {
  Automaton out;
  out.whole_path = pattern == "**" || pattern.find('/') != std::string_view::npos;
  std::array<Moves, 256> moves{};
  // Literal bytes at the start need no states.
  std::size_t at = 0;
  while (at < pattern.size() && std::string_view("*?[").find(pattern[at]) == std::string_view::npos) {
    at += pattern[at] == '\\' ? 1 : 0;
    out.prefix += pattern[at++];
  }
  std::size_t state = 0;
  const auto bit = [&] { return std::uint64_t{1} << state; };
  const auto stay_without_slash = [&](std::uint64_t mask) {
    for (unsigned byte = 0; byte < 256; ++byte) {
      moves[byte].stay |= byte != '/' ? mask : 0;
    }
  };
  const auto advance = [&](unsigned byte) { moves[byte].advance |= bit(); };
  const auto add_rest_of_character = [&] {
    for (unsigned byte = 0x80; byte < 0xc0; ++byte) {
      moves[byte].stay |= bit();
    }
    out.skip |= bit();
    ++state;
  };
  while (at < pattern.size()) {
    if (state + 4 > kMostStates) {
      return broken("has more than " + std::to_string(kMostStates - 3) + " characters after its first * or ?");
    }
    const char c = pattern[at];
    // "a**" is two stars: `**` stands for directories only as a whole part of the path.
    const bool part_starts = at == 0 || pattern[at - 1] == '/';
    if (c == '*' && part_starts && pattern.substr(at, 3) == "**/") {
      // Nothing, or anything that ends in a slash.
      out.skip |= bit();
      out.skip_three |= bit();
      ++state;
      for (Moves& one : moves) {
        one.stay |= bit();
      }
      out.skip |= bit();
      ++state;
      advance('/');
      ++state;
      at += 3;
    } else if (c == '*' && part_starts && at + 2 == pattern.size() && pattern[at + 1] == '*') {
      for (Moves& one : moves) {
        one.stay |= bit();
      }
      out.skip |= bit();
      ++state;
      at += 2;
    } else if (c == '*') {
      while (at < pattern.size() && pattern[at] == '*') {
        ++at;
      }
      stay_without_slash(bit());
      out.skip |= bit();
      ++state;
    } else if (c == '?') {
      for (unsigned byte = 0; byte < 256; ++byte) {
        moves[byte].advance |= byte != '/' && !is_continuation(byte) ? bit() : 0;
      }
      ++state;
      add_rest_of_character();
      ++at;
    } else if (c == '[') {
      const std::size_t end = *end_of_set(pattern, at);
      const auto set = bytes_of_set(pattern.substr(at, end - at));
      if (!set) {
        return broken("has a set with characters beyond ASCII; write {a,b} instead");
      }
      for (unsigned byte = 0; byte < 256; ++byte) {
        moves[byte].advance |= (*set)[byte] && !is_continuation(byte) ? bit() : 0;
      }
      ++state;
      add_rest_of_character();
      at = end;
    } else {
      at += c == '\\' ? 1 : 0;
      advance(static_cast<unsigned char>(pattern[at++]));
      ++state;
    }
  }
  out.accept = bit();
  for (std::size_t byte = 0; byte < moves.size(); ++byte) {
    const auto known = std::find(out.moves.begin(), out.moves.end(), moves[byte]);
    out.kinds[byte] = static_cast<std::uint8_t>(known - out.moves.begin());
    if (known == out.moves.end()) {
      out.moves.push_back(moves[byte]);
    }
  }
  alternatives_.push_back(std::move(out));
  return {};
}

std::uint64_t PathGlob::Automaton::close(std::uint64_t states) const noexcept {
  while (true) {
    const std::uint64_t more = states | (states & skip) << 1 | (states & skip_three) << 3;
    if (more == states) {
      return states;
    }
    states = more;
  }
}

bool PathGlob::Automaton::matches(std::string_view text) const noexcept {
  if (!text.starts_with(prefix)) {
    return false;
  }
  std::uint64_t states = close(1);
  for (std::size_t i = prefix.size(); i < text.size(); ++i) {
    const Moves& move = moves[kinds[static_cast<unsigned char>(text[i])]];
    states = close((states & move.advance) << 1 | (states & move.stay));
    if (states == 0) {
      return false;
    }
  }
  return (states & accept) != 0;
}

bool PathGlob::matches(std::string_view text) const noexcept {
  const std::string_view last = text.substr(text.rfind('/') + 1);
  return std::any_of(alternatives_.begin(), alternatives_.end(),
                     [&](const Automaton& one) { return one.matches(one.whole_path ? text : last); });
}

}  // namespace tenon::internal
