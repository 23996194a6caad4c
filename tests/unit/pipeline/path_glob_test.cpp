#include "pipeline/path_glob.hpp"

#include <random>
#include <string>
#include <string_view>

#include "tenon_test/catch.hpp"

namespace tenon::test {
namespace {

using internal::PathGlob;

bool glob_matches(std::string_view pattern, std::string_view text) {
  const Result<PathGlob> glob = PathGlob::parse(pattern);
  INFO(pattern);
  REQUIRE(glob);
  return glob->matches(text);
}

/// Matches by trying every possibility; for patterns of letters, ?, *, ** and /.
bool matches_by_trying(std::string_view pattern, std::string_view text, bool part_starts) {
  if (pattern.empty()) {
    return text.empty();
  }
  if (part_starts && pattern.starts_with("**/")) {
    if (matches_by_trying(pattern.substr(3), text, true)) {
      return true;
    }
    const std::size_t slash = text.find('/');
    return slash != std::string_view::npos && matches_by_trying(pattern, text.substr(slash + 1), true);
  }
  if (part_starts && pattern == "**") {
    return true;
  }
  if (pattern.front() == '*') {
    return matches_by_trying(pattern.substr(1), text, false) ||
           (!text.empty() && text.front() != '/' && matches_by_trying(pattern, text.substr(1), false));
  }
  if (text.empty() || (pattern.front() == '?' ? text.front() == '/' : text.front() != pattern.front())) {
    return false;
  }
  return matches_by_trying(pattern.substr(1), text.substr(1), pattern.front() == '/');
}

}  // namespace

TEST_CASE("PathGlob: the parts of a pattern") {
  CHECK(glob_matches("*.c", "a.c"));
  CHECK(glob_matches("*.c", "dir/a.c"));
  CHECK_FALSE(glob_matches("*.c", "a.cc"));
  CHECK_FALSE(glob_matches("src/*.c", "src/dir/a.c"));
  CHECK(glob_matches("src/*.c", "src/a.c"));
  CHECK(glob_matches("**/src/**", "src/a.c"));
  CHECK(glob_matches("**/src/**", "/home/x/src/dir/a.c"));
  CHECK_FALSE(glob_matches("**/src/**", "/home/xsrc/a.c"));
  CHECK_FALSE(glob_matches("**/src/**", "/home/src"));
  CHECK(glob_matches("**", ""));
  CHECK(glob_matches("**/*.{c,h}", "a/b/c.h"));
  CHECK(glob_matches("a{b,{c,d}e}f", "adef"));
  CHECK(glob_matches("?", "x"));
  CHECK_FALSE(glob_matches("?", ""));
  CHECK(glob_matches("a?c",
                     "a\xc3\xa9"
                     "c"));
  CHECK_FALSE(glob_matches("a??c",
                           "a\xc3\xa9"
                           "c"));
  CHECK(glob_matches("a?c",
                     "a\xff"
                     "c"));
  CHECK(glob_matches("[a-cx]1", "b1"));
  CHECK_FALSE(glob_matches("[a-cx]1", "d1"));
  CHECK(glob_matches("[!a-c]1", "d1"));
  CHECK(glob_matches("[!a]1",
                     "\xc3\xa9"
                     "1"));
  CHECK_FALSE(glob_matches("[!a]1", "a1"));
  CHECK(glob_matches("[]]", "]"));
  CHECK(glob_matches("\\*", "*"));
  CHECK_FALSE(glob_matches("\\*", "x"));
  CHECK(glob_matches("plain", "dir/plain"));
  CHECK_FALSE(glob_matches("dir/plain", "plain"));
  CHECK(glob_matches(std::string(200, 'x') + "/*", std::string(200, 'x') + "/y"));
}

TEST_CASE("PathGlob: broken patterns are refused in words") {
  const auto why = [](std::string_view pattern) {
    const Result<PathGlob> glob = PathGlob::parse(pattern);
    return glob ? std::string() : glob.error().message;
  };
  CHECK(why("") == "the pattern is empty");
  CHECK(why("a\\") == "the pattern ends in a backslash; write \\\\ for a backslash");
  CHECK(why("a[b") == "the pattern has a [ without a ]; write \\[ for the character");
  CHECK(why("{a,}") == "the pattern has an empty alternative, which matches nothing");
  CHECK(why("a{b") == "the pattern has a { without a }; write \\{ for the character");
  CHECK(why("[\xc3\xa9]") == "the pattern has a set with characters beyond ASCII; write {a,b} instead");
  CHECK(why("*" + std::string(80, 'a')) == "the pattern has more than 60 characters after its first * or ?");
  CHECK(why(std::string(5000, 'a')) == "the pattern is longer than 4096 bytes");
  CHECK(why("{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}") ==
        "the pattern has more than 64 alternatives; use a list of patterns");
}

TEST_CASE("PathGlob: random patterns match what trying everything matches") {
  std::mt19937 random(7);
  const auto draw = [&](std::string_view pieces, int most) {
    std::string out;
    for (int i = static_cast<int>(random() % static_cast<unsigned>(most)); i >= 0; --i) {
      out += pieces[random() % pieces.size()];
    }
    return out;
  };
  int matched = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string pattern = draw("ab/*?*", 8);
    if (random() % 2 == 0) {
      pattern = "**/" + pattern;
    }
    if (random() % 3 == 0) {
      pattern += "/**";
    }
    const bool whole = pattern == "**" || pattern.find('/') != std::string::npos;
    const std::string text = draw("ab/", 10);
    INFO(pattern << " on " << text);
    const bool expected = matches_by_trying(pattern, whole ? text : text.substr(text.rfind('/') + 1), true);
    matched += expected ? 1 : 0;
    REQUIRE(glob_matches(pattern, text) == expected);
  }
  CHECK(matched > 300);
}

TEST_CASE("PathGlob: a hostile text costs time in proportion to its length") {
  const std::string text(4 << 20, 'a');
  CHECK_FALSE(glob_matches("**/*a*a*a*a*a*a*a*a*b", text));
}

}  // namespace tenon::test
