#include "tools/tenon/failure.hpp"

#include <nlohmann/json.hpp>

#include "tenon_test/catch.hpp"

using namespace tenon;       // NOLINT(google-build-using-namespace)
using namespace tenon::cli;  // NOLINT(google-build-using-namespace)

TEST_CASE("excerpt: the caret stands below the column") {
  CHECK(excerpt("{\n  \"a\": x\n}", 2, 8) == "  \"a\": x\n       ^\n");
  CHECK(excerpt("abc", 1, 1) == "abc\n^\n");
}

TEST_CASE("excerpt: a column behind the end points behind it") {
  CHECK(excerpt("ab", 1, 3) == "ab\n  ^\n");
}

TEST_CASE("excerpt: a place that is not there gives nothing") {
  CHECK(excerpt("ab", 2, 1).empty());
  CHECK(excerpt("ab", 0, 1).empty());
  CHECK(excerpt("ab", 1, 0).empty());
}

TEST_CASE("excerpt: bytes of one character take one column, tabs stay") {
  CHECK(excerpt("\t\xC3\xA4x", 1, 4) == "\t\xC3\xA4x\n\t ^\n");
}

TEST_CASE("excerpt: a long line is cut around the caret") {
  const std::string text = std::string(1000, 'a') + 'X' + std::string(1000, 'b');
  const std::string shown = excerpt(text, 1, 1001);
  const std::size_t line_end = shown.find('\n');
  CHECK(line_end < 120);
  CHECK(shown[shown.size() - 2] == '^');
  CHECK(shown[shown.size() - 2 - (line_end + 1)] == 'X');
}

TEST_CASE("excerpt: control characters do not reach the terminal") {
  CHECK(excerpt("a\x1b[31m", 1, 1) == "a?[31m\n^\n");
}

TEST_CASE("Failure: text has message, excerpt and hint on lines of their own") {
  Failure failure{ExitCode::kUsage, Error{ErrorCode::kInvalidArgument, "no such thing", {}}, "look there", "ab\n ^\n"};
  CHECK(to_text(failure, false) == "tenon: error: no such thing\n  ab\n   ^\n  hint: look there\n");
  CHECK(to_text(failure, true).find("\x1b[") != std::string::npos);
}

TEST_CASE("Failure: a crash names the task, and shows the last lines of stderr and stdout") {
  Failure failure{ExitCode::kFailed, Error{ErrorCode::kCrashed, "the worker ended", {}}, {}, {}};
  failure.error.context.task = "tenon.fail";
  failure.error.context.plugin = "tenon 1.0.0";
  failure.error.context.attempt = 2;
  failure.error.context.stderr_tail = "one\ntwo\nthree";
  failure.error.context.stdout_tail = "half";
  CHECK(to_text(failure, false) ==
        "tenon: error: the worker ended\n  task: tenon.fail of tenon 1.0.0, attempt 2\n"
        "  the worker wrote to stderr:\n    one\n    two\n    three\n  the worker wrote to stdout:\n    half\n");
  CHECK(crash_text(failure.error, 2).find("stderr:\n    two\n    three\n") != std::string::npos);
  CHECK(crash_text(failure.error, 3).find("stderr:\n    one\n") != std::string::npos);
  failure.error.code = ErrorCode::kFailed;
  failure.error.context.stderr_tail.clear();
  failure.error.context.stdout_tail.clear();
  CHECK(crash_text(failure.error).empty());
}

TEST_CASE("Failure: JSON is valid and has code, message and exit code") {
  Failure failure{ExitCode::kFailed, Error{ErrorCode::kCrashed, "bad \xFF byte", {}}, {}, {}};
  failure.error.context.task = "tenon.fail";
  failure.error.context.signal = 11;
  const auto json = nlohmann::json::parse(to_json(failure));
  CHECK(json["error"]["code"] == "crashed");
  CHECK(json["error"]["exit_code"] == 1);
  CHECK(json["error"]["signal"] == 11);
  CHECK(json["error"]["task"] == "tenon.fail");
}
