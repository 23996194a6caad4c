#include <tenon/error.hpp>

#include <cerrno>

#include "tenon_test/catch.hpp"

using namespace tenon;
using Catch::Matchers::EndsWith;

TEST_CASE("error_code_name: names every code, and one that no version knows") {
  CHECK(error_code_name(ErrorCode::kFailed) == "failed");
  CHECK(error_code_name(ErrorCode::kNotFound) == "not_found");
  CHECK(error_code_name(ErrorCode::kInternal) == "internal");
  CHECK(error_code_name(static_cast<ErrorCode>(99)) == "unknown");
  for (int code = 1; code <= 15; ++code) {
    CHECK(error_code_name(static_cast<ErrorCode>(code)) != "unknown");
  }
}

TEST_CASE("Error: to_string gives code, message and the context that is there") {
  Error error{ErrorCode::kCrashed, "the worker died", {}};
  CHECK(error.to_string() == "crashed: the worker died");
  error.context.task = "a.b";
  error.context.call_id = 7;
  error.context.attempt = 2;
  error.context.signal = 11;
  CHECK(error.to_string() == "crashed: the worker died (task a.b, call 7, attempt 2, signal 11)");
  error.context.stderr_tail = "one\ntwo\n\n";
  CHECK_THAT(error.to_string(), EndsWith("\n  | one\n  | two"));
  error.context.stdout_tail = "three\n";
  CHECK_THAT(error.to_string(), EndsWith("\n  | one\n  | two\n  | three"));
  CHECK(Error{}.to_string() == "internal: no message");
}

TEST_CASE("os_error: says what, why and what to do, with a telling code") {
  const Error missing = os_error(ENOENT, "cannot open 'x'");
  CHECK(missing.code == ErrorCode::kNotFound);
  CHECK(missing.message == "cannot open 'x': No such file or directory");
  CHECK(missing.context.os_code == ENOENT);
  const Error full = os_error(ENOSPC, "cannot write 'x'");
  CHECK(full.code == ErrorCode::kIo);
  CHECK_THAT(full.message, EndsWith("the disk is full; free some space"));
  CHECK(os_error(ENOMEM, "x").code == ErrorCode::kOutOfMemory);
  CHECK(os_error(EMFILE, "x").code == ErrorCode::kUnavailable);
}
