#include <string>

#include <tenon/plugin.hpp>

#include "files/glob.hpp"
#include "tenon_test/catch.hpp"

using files::Glob;

TEST_CASE("Glob: table of patterns") {
  struct Row {
    const char* pattern;
    const char* path;
    bool matches;
  };
  static const Row kRows[] = {
      {"*.h", "a.h", true},
      {"*.h", "dir/a.h", true},
      {"*.h", "a.hpp", false},
      {"*", ".hidden", true},
      {"?.h", "a.h", true},
      {"?.h", "ab.h", false},
      {"?.h", "\xC3\xBC.h", true},
      {"?.h", "\xFF.h", true},
      {"**/*.h", "a.h", true},
      {"**/*.h", "x/y/a.h", true},
      {"**", "x/y/a.h", true},
      {"src/*.c", "src/a.c", true},
      {"src/*.c", "src/x/a.c", false},
      {"src/*.c", "x/src/a.c", false},
      {"/src/*.c", "src/a.c", true},
      {"./src/*.c", "src/a.c", true},
      {"src/**/*.c", "src/a.c", true},
      {"src/**/*.c", "src/x/y/a.c", true},
      {"src/**", "src/a", true},
      {"src/**", "src", false},
      {"a/**/b/**/c", "a/b/c", true},
      {"a/**/b/**/c", "a/x/b/y/z/c", true},
      {"a/**/b/**/c", "a/x/c", false},
      {"build/", "build", true},
      {"build/", "x/build", true},
      {"*.{c,h}", "a.c", true},
      {"*.{c,h}", "a.h", true},
      {"*.{c,h}", "a.d", false},
      {"{a,b/{c,d}}/e", "b/d/e", true},
      {"{a,b/{c,d}}/e", "a/e", true},
      {"{a,b/{c,d}}/e", "b/e", false},
      {"a{,b}", "a", true},
      {"a{,b}", "ab", true},
      {"[a-c]x", "bx", true},
      {"[!a-c]x", "bx", false},
      {"[!a-c]x", "dx", true},
      {"[]x]", "]", true},
      {"[a-]", "-", true},
      {"[\xC3\xA4-\xC3\xBC]", "\xC3\xB6", true},
      {"\\*", "*", true},
      {"\\*", "a", false},
      {"a,b", "a,b", true},
      {"}", "}", true},
      {"with space*", "with space and \"quote\"", true},
      {"*\n*", "a\nb", true},
      {"*a*b*c*", "xxaxxbxxcxx", true},
      {"*a*b*c*", "xxaxxcxxbxx", false},
  };
  for (const Row& row : kRows) {
    INFO(row.pattern << " and " << row.path);
    CHECK(Glob(row.pattern).matches(row.path) == row.matches);
  }
}

TEST_CASE("Glob: broken patterns say what is wrong") {
  for (const char* pattern : {"", "a[b", "a{b", "a\\", "/", "{a,{b}"}) {
    INFO(pattern);
    CHECK_THROWS_AS(Glob(pattern), tenon::TaskError);
  }
  CHECK_THROWS_WITH(Glob("a[b"), "the pattern 'a[b' has a [ without a ]; write \\[ for the character");
}

TEST_CASE("Glob: hostile patterns end soon") {
  std::string braces;
  for (int i = 0; i < 30; ++i) {
    braces += "{a,b}";
  }
  CHECK_THROWS_AS(Glob(braces), tenon::TaskError);
  CHECK_FALSE(Glob("*a*a*a*a*a*a*a*a*a*a*a*a*b").matches(std::string(2000, 'a')));
  std::string stars;
  std::string path;
  for (int i = 0; i < 100; ++i) {
    stars += "**/";
    path += "d/";
  }
  CHECK_FALSE(Glob(stars + "x").matches(path + "y"));
}
