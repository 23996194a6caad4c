// Runs the cases of py_cases.py: Python functions in real workers, with this program as the host.
#include "embedded_python.hpp"
#include "host_module.hpp"
#include "tenon_test/catch.hpp"

namespace {

void check(const char* function) {
  tenon::test::add_python_module("_host_test", &tenon::test::make_host_module);
  const std::string trouble = tenon::test::run_python("py_cases", function);
  INFO(trouble);
  CHECK(trouble.empty());
}

}  // namespace

TEST_CASE("py: functions by name, with arguments and results of all sizes") {
  check("calls");
}
TEST_CASE("py: many calls at once") {
  check("many");
}
TEST_CASE("py: exceptions come back as they were raised") {
  check("exceptions");
}
TEST_CASE("py: names that lead nowhere say why") {
  check("names_that_fail");
}
TEST_CASE("py: preload, initializer, environment and their failures") {
  check("settings");
}
TEST_CASE("py: a virtual environment, and one of another Python") {
  check("virtual_environment");
}
TEST_CASE("py: a worker's death is its call's failure only") {
  check("deaths");
}
TEST_CASE("py: cancellation and deadlines interrupt a task") {
  check("stopping");
}
TEST_CASE("py: prints and logging reach the host's log") {
  check("output");
}
TEST_CASE("py: state, progress, threads and nested calls") {
  check("task_functions");
}
TEST_CASE("py: extension modules load") {
  check("packages");
}
