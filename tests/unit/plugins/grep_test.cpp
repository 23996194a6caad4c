#include <string>

#include <tenon/plugin_test.hpp>

#include "packed.hpp"
#include "support.hpp"
#include "tenon_test/catch.hpp"
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
