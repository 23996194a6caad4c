#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include <tenon/plugin_test.hpp>

#include "jsonl_generated.h"
#include "packed.hpp"
#include "records.hpp"
#include "rows/json_object.hpp"
#include "support.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/temporary_directory.hpp"

using tenon::rows::JsonObjectParser;
using tenon::test::file_at;
using tenon::test::file_with;
using tenon::test::gzip;
using tenon::test::Outcome;
using tenon::test::records_of;
using tenon::test::Session;
using tenon::test::TemporaryDirectory;
using tenon::test::Worker;
using tenon::test::write_text;

namespace {

using Rows = std::vector<std::string>;

Rows rows_of(const std::string& text, const jsonl::ReadParamsT& params = {}) {
  Worker worker;
  Session session = worker.open("read", file_with("x.jsonl", text), params);
  return records_of(session);
}

std::string error_of(const std::string& text) {
  JsonObjectParser parser;
  REQUIRE(!parser.parse(text));
  return parser.error();
}

void check_error(const std::string& text, tenon_status_t code, const std::string& part,
                 const jsonl::ReadParamsT& params = {}) {
  Worker worker;
  Session session = worker.open("read", file_with("x.jsonl", text), params);
  const Outcome outcome = session.step(100);
  INFO(outcome.message);
  CHECK(outcome.status == code);
  CHECK(outcome.message.find(part) != std::string::npos);
}

}  // namespace

TEST_CASE("Jsonl: objects become records") {
  CHECK(rows_of("{\"a\":1}\n\n {\"b\" : [1, {\"x\":2}] }\r\n{}") ==
        Rows{R"({"a":1})", R"({"b":"[1, {\"x\":2}]"})", "{}"});
  CHECK(rows_of(R"({"s":"x","i":-5,"n":1.5e3,"t":true,"f":false,"z":null})") ==
        Rows{R"({"s":"x","i":-5,"n":1500,"t":true,"f":false,"z":null})"});
  CHECK(rows_of(R"({"request":{"method":"GET","uri":{"path":"/"}},"e":{}})") ==
        Rows{R"({"request.method":"GET","request.uri.path":"/"})"});
  CHECK(rows_of("\xEF\xBB\xBF{\"a\":18446744073709551615}") == Rows{R"({"a":18446744073709551616})"});
}

TEST_CASE("Jsonl: only some fields") {
  jsonl::ReadParamsT params;
  params.only = {"b.c", "d"};
  CHECK(rows_of(R"({"a":1,"b":{"c":2,"e":3}})", params) == Rows{R"({"b.c":2})"});
}

TEST_CASE("JsonObjectParser: escapes") {
  JsonObjectParser parser;
  REQUIRE(parser.parse(R"({"a\n\u0062":"\"\\\/\b\f\n\r\t\u00e9\u20ac\ud83d\ude00 \ud83d"})"));
  REQUIRE(parser.fields().size() == 1);
  CHECK(parser.fields()[0].name == "a\nb");
  CHECK(parser.fields()[0].text == "\"\\/\b\f\n\r\t\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80 \xEF\xBF\xBD");
}

TEST_CASE("JsonObjectParser: what is malformed says where") {
  CHECK(error_of("[1]") == "expected an object (`{`) at byte 1");
  for (const char* large : {"1e400", "-1E+400", "123e308"}) {
    CHECK(error_of("{\"a\":" + std::string(large) + "}").find("the number is out of range") != std::string::npos);
  }
  for (const std::string& small :
       {std::string("2.3e-412"), std::string("-1E-99999999999999999999"), "0." + std::string(400, '0') + "1"}) {
    JsonObjectParser parser;
    REQUIRE(parser.parse("{\"a\":" + small + "}"));
    CHECK(parser.fields().front().number == 0);
  }
  // Each inner name would repeat the long one.
  std::string names = "{\"" + std::string(64 << 10, 'x') + "\":{\"a\":1";
  for (int i = 0; i < 5000; ++i) {
    names += ",\"a" + std::to_string(i) + "\":1";
  }
  CHECK(error_of(names + "}}").find("the names of inner objects are too long") != std::string::npos);
  CHECK(error_of("{\"a\" 1}") == "expected `:` at byte 6");
  CHECK(error_of("{\"a\":1 \"b\":2}") == "expected `,` or `}` at byte 8");
  CHECK(error_of("{\"a\":1,}") == "expected a name in quotes at byte 8");
  CHECK(error_of("{\"a\":01}") == "a number must not start with 0 at byte 8");
  CHECK(error_of("{\"a\":tru}") == "expected a value at byte 6");
  CHECK(error_of("{\"a\":1} x") == "expected nothing after the object at byte 9");
  CHECK(error_of("{\"a\":\"x").find("has no closing quote") != std::string::npos);
  CHECK(error_of("{\"a\":\"\\x\"}").find("an escape that JSON does not have") != std::string::npos);
  CHECK(error_of("{\"a\":\"\xFF\"}").find("is not UTF-8") != std::string::npos);
  CHECK(error_of("{\"a\":\"\t\"}").find("a control character must be escaped") != std::string::npos);
  CHECK(error_of("{\"a\":1e999}").find("out of range") != std::string::npos);
  std::string deep;
  for (int i = 0; i < 100; ++i) {
    deep += "{\"a\":";
  }
  CHECK(error_of(deep).find("more than 64 levels deep") != std::string::npos);
  CHECK(error_of("{\"a\":" + std::string(100, '[')).find("more than 64 levels deep") != std::string::npos);
}

TEST_CASE("JsonObjectParser: accepts and rejects what another parser does") {
  const std::string alphabet = "{}[]\",:\\u01e-.tn ";
  const std::vector<std::string> seeds{R"({"a":[1,{"b":"c"}],"d":{"e":null}})",
                                       R"({"a":-0.5e+3,"b":"\u0041","c":true})"};
  std::uint64_t random = 7;
  JsonObjectParser parser;
  for (int round = 0; round < 20000; ++round) {
    std::string text = seeds[static_cast<std::size_t>(round) % seeds.size()];
    for (int change = 0; change < 1 + round % 3; ++change) {
      random = random * 6364136223846793005u + 1442695040888963407u;
      text[(random >> 33) % text.size()] = alphabet[(random >> 50) % alphabet.size()];
    }
    const auto other = nlohmann::json::parse(text, nullptr, false);
    INFO(text);
    // The other one rejects half a pair of surrogates.
    if (text.find("\\ud") == std::string::npos) {
      CHECK(parser.parse(text) == other.is_object());
    }
  }
}

TEST_CASE("Jsonl: broken lines are errors with file and line, or skipped and counted") {
  const std::string text = "{\"a\":1}\nnonsense\n{\"a\":2}\n{\"a\":\n";
  check_error(text, TENON_CORRUPT, "'x.jsonl', line 2: is not a JSON object: expected an object (`{`) at byte 1");
  jsonl::ReadParamsT params;
  params.skip_broken = true;
  CHECK(rows_of(text, params) == Rows{R"({"a":1})", R"({"a":2})"});
  params.max_row_bytes = 20;
  const std::string with_long = "{\"a\":1}\n{\"a\":\"" + std::string(1 << 20, 'x') + "\"}\n{\"a\":2}\n";
  CHECK(rows_of(with_long, params) == Rows{R"({"a":1})", R"({"a":2})"});
  params.skip_broken = false;
  check_error(with_long, TENON_TOO_LARGE, "line 2: the line is longer than 20 bytes; raise `max_row_bytes`", params);
}

TEST_CASE("Jsonl: a checkpoint continues at the next line, of plain and packed files") {
  const TemporaryDirectory directory;
  const std::string text = "{\"a\":1}\n\n{\"a\":2}\n{\"a\":3}";
  const Rows all{R"({"a":1})", R"({"a":2})", R"({"a":3})"};
  write_text(directory / "plain", text);
  write_text(directory / "gz", gzip(text));
  Worker worker;
  for (const char* name : {"plain", "gz"}) {
    for (std::uint32_t given = 0; given <= all.size(); ++given) {
      Session session = worker.open("read", file_at(directory / name));
      REQUIRE(session.step(given).results.size() == given);
      Session later = worker.open("read", file_at(directory / name), {}, session.checkpoint());
      CHECK(records_of(later) == Rows(all.begin() + given, all.end()));
    }
  }
}
