#include "base/json.hpp"

#include <string>

#include <nlohmann/json.hpp>

#include "tenon_test/catch.hpp"

namespace tenon::test {

using internal::Json;
using internal::json_text;
using internal::to_json;

TEST_CASE("json_text: valid UTF-8 whatever a string holds") {
  CHECK(json_text(Json("a\xFFz"), -1) == "\"a\xEF\xBF\xBDz\"");
}

TEST_CASE("json_text: names keep their order; a negative indent gives one line") {
  const Json document = {{"z", 1}, {"a", Json::array({true, nullptr})}};
  CHECK(json_text(document, -1) == R"({"z":1,"a":[true,null]})");
  CHECK(json_text(Json{{"z", 1}}) == "{\n  \"z\": 1\n}");
}

TEST_CASE("to_json: an error has its code, its message and what is known of the context") {
  Error error;
  error.code = ErrorCode::kCrashed;
  error.message = "gone";
  CHECK(json_text(to_json(error), -1) == R"({"code":"crashed","message":"gone"})");
  error.context.task = "text.count";
  error.context.plugin = "text 1.0.0";
  error.context.call_id = 7;
  error.context.attempt = 2;
  error.context.os_code = 12;
  error.context.signal = 11;
  error.context.exit_code = 0;
  error.context.stderr_tail = "oops";
  error.context.stdout_tail = "hm";
  CHECK(json_text(to_json(error), -1) ==
        R"({"code":"crashed","message":"gone","task":"text.count","plugin":"text 1.0.0","call_id":7,"attempt":2,)"
        R"("os_code":12,"signal":11,"worker_exit_code":0,"stderr_tail":"oops","stdout_tail":"hm"})");
}

}  // namespace tenon::test
