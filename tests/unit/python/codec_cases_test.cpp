// Runs the cases of codec_cases.py: round trips of objects, refusals, leaks.
#include "embedded_python.hpp"
#include "tenon_test/catch.hpp"

namespace {

void check(const char* function) {
  const std::string trouble = tenon::test::run_python("codec_cases", function);
  INFO(trouble);
  CHECK(trouble.empty());
}

}  // namespace

TEST_CASE("codec: native types come back equal and of the same type") {
  check("native_types");
}
TEST_CASE("codec: integers of every size") {
  check("integers");
}
TEST_CASE("codec: dicts keep keys, order and sharing of keys") {
  check("dicts");
}
TEST_CASE("codec: rare types of the standard library") {
  check("rare_types");
}
TEST_CASE("codec: enums, flags, dataclasses and named tuples") {
  check("classes_and_tuples");
}
TEST_CASE("codec: functions, classes and partials by name") {
  check("names");
}
TEST_CASE("codec: objects with __tenon__") {
  check("own_objects");
}
TEST_CASE("codec: exceptions with arguments, notes and causes") {
  check("exceptions");
}
TEST_CASE("codec: memory travels in band and out of band") {
  check("buffers");
}
TEST_CASE("codec: arrays of numpy") {
  check("arrays");
}
TEST_CASE("codec: what is not data is refused, with the way to it") {
  check("refusals");
}
TEST_CASE("codec: subclasses of data are refused") {
  check("subclasses");
}
TEST_CASE("codec: cycles and depth") {
  check("cycles_and_depth");
}
TEST_CASE("codec: arguments, keywords and many calls") {
  check("arguments");
}
TEST_CASE("codec: Python code that fails or changes what is encoded") {
  check("hostile_objects");
}
TEST_CASE("codec: nothing is leaked") {
  check("leaks");
}
TEST_CASE("codec: random data there and back") {
  check("random_data");
}
