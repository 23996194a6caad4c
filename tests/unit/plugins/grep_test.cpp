#include <re2/re2.h>

#include <memory>
#include <random>
#include <string>
#include <utility>

#include <tenon/plugin_test.hpp>

#include "packed.hpp"
#include "support.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/temporary_directory.hpp"
#include "text/grep.hpp"
#include "text_generated.h"

using tenon::test::file_with;
using tenon::test::Worker;

namespace {

const std::string kText = "The cat\nsat on\nthe mat.\n\xFF cat\n";

text::MatchesT grep(const text::GrepParamsT& params, const std::string& text = kText) {
  Worker worker;
  const auto outcome = worker.call("grep", file_with("f", text), params);
  text::MatchesT matches;
  outcome.as<text::Matches>().UnPackTo(&matches);
  return matches;
}

text::GrepParamsT pattern(const std::string& text) {
  text::GrepParamsT params;
  params.pattern = text;
  return params;
}

/// Searches line by line, with nothing in common with the plugin but RE2.
text::MatchesT reference(const text::GrepParamsT& params, const std::string& text) {
  RE2::Options options;
  options.set_literal(params.literal);
  options.set_case_sensitive(!params.ignore_case);
  options.set_log_errors(false);
  const RE2 expression(params.pattern, options);
  REQUIRE(expression.ok());
  text::MatchesT matches;
  std::uint64_t number = 0;
  for (std::size_t at = 0; at < text.size();) {
    ++number;
    const auto ending = text.find('\n', at);
    std::string line = text.substr(at, ending == std::string::npos ? std::string::npos : ending - at);
    at = ending == std::string::npos ? text.size() : ending + 1;
    if (ending != std::string::npos && !line.empty() && line.back() == '\r' &&
        line.size() - 1 <= params.max_line_bytes) {
      line.pop_back();
    }
    line = line.substr(0, params.max_line_bytes);
    re2::StringPiece found;
    const bool matched = expression.Match(line, 0, line.size(), RE2::UNANCHORED, &found, 1);
    if (matched == params.invert) {
      continue;
    }
    auto match = std::make_unique<text::MatchT>();
    match->number = number;
    match->text = line;
    match->begin = matched ? static_cast<std::uint32_t>(found.data() - line.data()) : 0;
    match->end = matched ? match->begin + static_cast<std::uint32_t>(found.size()) : 0;
    matches.matches.push_back(std::move(match));
  }
  matches.total = matches.matches.size();
  return matches;
}

void check_against_reference(text::GrepParamsT params, const std::string& text) {
  params.max_matches = 1'000'000;
  const auto expected = reference(params, text);
  const auto found = grep(params, text);
  INFO("pattern " << params.pattern << ", lines of " << params.max_line_bytes << ", text of " << text.size());
  REQUIRE(found.total == expected.total);
  REQUIRE(found.matches.size() == expected.matches.size());
  for (std::size_t i = 0; i < found.matches.size(); ++i) {
    REQUIRE(found.matches[i]->number == expected.matches[i]->number);
    REQUIRE(found.matches[i]->text == expected.matches[i]->text);
    REQUIRE(found.matches[i]->begin == expected.matches[i]->begin);
    REQUIRE(found.matches[i]->end == expected.matches[i]->end);
  }
}

/// Patterns of all kinds: with and without a required text, with places, that match newlines.
const char* const kPatterns[] = {
    "ab",      "a",         "ab+",      "a.b",          "a[^b]b",  "a\\sb", "a\\D+b",   "^ab",    "ab$",     "^$",
    "$",       "\\bab\\b",  "a\\Bb",    "(ab|ba)",      "ab|ba",   "b*",    "a\nb",     "(?i)AB", "(?s)a.b", "(?-s)a.b",
    "[^a]b",   "\\W",       "a{2,3}b",  "ba?b",         "a\\x00b", "\\Aab", "ab\\z",    "a\rb",   "a\r",     "\\PLb",
    "(?m)^b$", "\\Qa.b\\E", "\xC3\xBC", "[[:space:]]b", "[]a]b+",  "x{,2}", "(?:ab)?b", "aab",    "bab+?a"};

}  // namespace

TEST_CASE("Grep: gives lines, numbers and places") {
  const auto matches = grep(pattern("[cm]at"));
  CHECK(matches.path == "f");
  CHECK(matches.total == 3);
  REQUIRE(matches.matches.size() == 3);
  CHECK(matches.matches[0]->number == 1);
  CHECK(matches.matches[0]->text == "The cat");
  CHECK(matches.matches[0]->begin == 4);
  CHECK(matches.matches[0]->end == 7);
  CHECK(matches.matches[1]->number == 3);
  CHECK(matches.matches[2]->text == "\xFF cat");
}

TEST_CASE("Grep: case, literal text, inversion, packed text") {
  auto params = pattern("the");
  CHECK(grep(params).total == 1);
  params.ignore_case = true;
  CHECK(grep(params).total == 2);
  params.invert = true;
  CHECK(grep(params).total == 2);
  params = pattern("mat.");
  params.literal = true;
  CHECK(grep(params).total == 1);
  CHECK(grep(params, "mats\n").total == 0);
  CHECK(grep(pattern("^sat"), tenon::test::gzip(kText)).total == 1);
  CHECK(grep(pattern("^$"), "a\n\nb\n").total == 1);
}

TEST_CASE("Grep: counts what it does not give") {
  auto params = pattern("x");
  params.max_matches = 2;
  const auto matches = grep(params, "x\nx\nx\nx\n");
  CHECK(matches.total == 4);
  CHECK(matches.matches.size() == 2);
}

TEST_CASE("Grep: a broken pattern says why, a hostile one takes no time") {
  Worker worker;
  for (const char* broken : {"(", "[a", "a{2,1}", "*", "\\"}) {
    const auto outcome = worker.call("grep", file_with("f", kText), pattern(broken));
    CHECK(outcome.status == TENON_INVALID_ARGUMENT);
    CHECK(outcome.message.find(broken) != std::string::npos);
  }
  CHECK(worker.call("grep", file_with("f", kText), pattern("")).status == TENON_INVALID_ARGUMENT);
  CHECK(worker.call("grep", file_with("f", kText)).status == TENON_INVALID_ARGUMENT);
  CHECK(grep(pattern("(a*)*b"), std::string(100000, 'a') + "\n").total == 0);
}

TEST_CASE("Grep: the text that a pattern requires") {
  CHECK(text::required_text("abc") == "abc");
  CHECK(text::required_text("ab*cde") == "cde");
  CHECK(text::required_text("abcd?e") == "abc");
  CHECK(text::required_text("ab+cd") == "ab");
  CHECK(text::required_text("x[abc]yz\\.q") == "yz.q");
  CHECK(text::required_text("[]x]ab") == "ab");
  CHECK(text::required_text("[[:alpha:]]ab") == "ab");
  CHECK(text::required_text("(foo|bar)baz") == "baz");
  CHECK(text::required_text("foo|bar").empty());
  CHECK(text::required_text("(?i)foo").empty());
  CHECK(text::required_text("(a\\)b[)]c)de") == "de");
  CHECK(text::required_text("a{2}bc{3,}d{,4}") == "d{,4}");
  CHECK(text::required_text("\\x41bc").empty());
  CHECK(text::required_text("\\pLbc").empty());
  CHECK(text::required_text("a\xC3\xBC*b") == "a");
  CHECK(text::required_text("^\\bfoo\\b$") == "foo");
  CHECK(text::required_text(".*").empty());
}

TEST_CASE("Grep: finds what a search line by line finds, in any bytes and for any length of a line") {
  const std::string bytes = std::string("aaabbb\n\n\r\0x", 13) + "\xFF\xC3\xBC.";
  std::minstd_rand random(14);
  for (int round = 0; round < 150; ++round) {
    std::string text;
    for (std::size_t i = random() % 300; i != 0; --i) {
      text += bytes[random() % bytes.size()];
    }
    // A byte order mark would make it something else than text.
    text.insert(0, "b");
    for (const char* each : kPatterns) {
      auto params = pattern(each);
      params.invert = round % 5 == 0;
      params.ignore_case = round % 7 == 0;
      params.max_line_bytes = round % 3 == 0 ? static_cast<std::uint32_t>(random() % 12) : 1u << 20;
      check_against_reference(params, text);
    }
  }
}

TEST_CASE("Grep: matches and lines across the border of two blocks") {
  constexpr std::size_t kBlock = 256u << 10;
  for (const char* each : {"needle", "n[e]+dle", "[^x]eedle$", "^needle", "n.*e"}) {
    for (const std::size_t before : {kBlock - 9, kBlock - 6, kBlock - 3, kBlock - 1, kBlock, kBlock + 1}) {
      for (const char* ending : {"\n", "\r\n", ""}) {
        check_against_reference(pattern(each), std::string(before - 1, 'x') + "\nneedle" + ending);
        check_against_reference(pattern(each), "x\n" + std::string(before, 'x') + "needle" + ending);
      }
    }
  }
}

TEST_CASE("Grep: lines that are longer than a block, than the limit, and than several blocks") {
  constexpr std::size_t kBlock = 256u << 10;
  const std::string text = "needle\n" + std::string(3 * kBlock, 'x') + "needle\nneedle 2\n" + std::string(kBlock, 'y') +
                           "\nneedle 3\r\n" + std::string(5 * kBlock, 'z') + "needle";
  for (const std::uint32_t limit : {0u, 5u, 6u, 1000u, 256u << 10, (256u << 10) - 1, 600u << 10, 1u << 20, 8u << 20}) {
    for (const char* each : {"needle", "needle$", "[n]eedle", "z$", "x"}) {
      for (const bool invert : {false, true}) {
        auto params = pattern(each);
        params.max_line_bytes = limit;
        params.invert = invert;
        check_against_reference(params, text);
      }
    }
  }
  for (const std::size_t length : {9u, 10u, 11u, 12u, 13u}) {
    for (const char* ending : {"\n", "\r\n", "\r", ""}) {
      auto params = pattern("x$");
      params.max_line_bytes = 10;
      check_against_reference(params, std::string(length, 'x') + ending);
      check_against_reference(params, std::string(kBlock, 'y') + "\n" + std::string(length, 'x') + ending);
    }
  }
}

TEST_CASE("Grep: no lines in an empty file, and one without its end") {
  const tenon::test::TemporaryDirectory directory;
  tenon::test::write_text(directory / "empty", "");
  Worker worker;
  const auto empty = worker.call("grep", tenon::test::file_at(directory / "empty"), pattern("x*"));
  CHECK(empty.as<text::Matches>().total() == 0);
  CHECK(grep(pattern("x*"), "\n").total == 1);
  CHECK(grep(pattern("x"), "x").total == 1);
  auto params = pattern("y");
  params.invert = true;
  CHECK(grep(params, "x\n\ny").total == 2);
}
