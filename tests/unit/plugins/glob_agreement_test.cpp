/// The patterns of a walk and those of a pipeline's conditions are one language with two
/// implementations: a plugin cannot include the host's code, and a condition needs bounded time.
#include <optional>
#include <random>
#include <string>

#include <tenon/plugin.hpp>

#include "files/glob.hpp"
#include "pipeline/path_glob.hpp"
#include "tenon_test/catch.hpp"

namespace {

std::string random_text(std::mt19937& random, std::string_view alphabet, std::size_t most) {
  std::string text;
  for (std::size_t size = random() % (most + 1); text.size() < size;) {
    text += alphabet[random() % alphabet.size()];
  }
  return text;
}

/// A relative path without empty parts, as a walk has them.
std::string random_path(std::mt19937& random) {
  std::string path;
  for (std::size_t parts = 1 + random() % 4; parts > 0; --parts) {
    path += (path.empty() ? "" : "/") + std::string(1, "abc"[random() % 3]) + random_text(random, "abc.-", 3);
  }
  return path;
}

std::optional<files::Glob> glob_of(const std::string& pattern) {
  try {
    return files::Glob(pattern);
  } catch (const tenon::TaskError&) {
    return std::nullopt;
  }
}

}  // namespace

TEST_CASE("Glob and PathGlob: both accept the same patterns and match the same paths") {
  std::mt19937 random(7);
  int accepted = 0;
  int matched = 0;
  for (int round = 0; round < 20'000; ++round) {
    // A walk ignores empty and `.` parts of a pattern; in a condition, a text may have them. Braces
    // around a slash may make such parts.
    const bool braces = round % 2 == 0;
    const std::string pattern = random_text(random, braces ? "aabbc**?-[]!{},\\" : "aabbc**?/-[]!,\\", 10);
    if (pattern.starts_with('/') || pattern.ends_with('/') || pattern.find("//") != std::string::npos ||
        pattern.find("\\/") != std::string::npos) {
      continue;
    }
    INFO("pattern: " << pattern);
    const std::optional<files::Glob> glob = glob_of(pattern);
    const auto path_glob = tenon::internal::PathGlob::parse(pattern);
    REQUIRE(glob.has_value() == path_glob.has_value());
    if (!glob) {
      continue;
    }
    ++accepted;
    for (int i = 0; i < 10; ++i) {
      const std::string path = random_path(random);
      INFO("path: " << path);
      REQUIRE(glob->matches(path) == path_glob->matches(path));
      matched += glob->matches(path) ? 1 : 0;
    }
  }
  for (const std::string pattern : {"{a,b/c}", "{**,a}", "a**", "{a**,x/b}", "**/a"}) {
    for (const std::string path : {"a", "x/a", "b/c", "x/b/c", "ab", "x/ab", "x/b", "y/x/b"}) {
      INFO(pattern << " " << path);
      CHECK(glob_of(pattern)->matches(path) == tenon::internal::PathGlob::parse(pattern)->matches(path));
    }
  }
  CHECK(accepted > 1000);
  CHECK(matched > 1000);
}
