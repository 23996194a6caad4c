/// Formats the results of tests, for people and for machines.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <tenon/pipeline.hpp>

#include "pipeline/judge_test.hpp"
#include "tools/tenon/json_output.hpp"

namespace tenon::cli {

/// One test that has run.
struct TestResult {
  std::string name;
  std::string file;
  std::uint32_t line = 0;
  double seconds = 0;
  std::vector<internal::TestProblem> problems;  ///< Empty if it passed.
};

/// The tests of one pipeline.
struct TestFileReport {
  std::string file;      ///< As on the command line.
  std::string pipeline;  ///< Its name; empty if the file has errors.
  bool loaded = false;   ///< The file has no errors.
  Diagnostics diagnostics;
  std::vector<TestResult> tests;
};

struct TestReport {
  std::vector<TestFileReport> files;

  [[nodiscard]] std::size_t count() const noexcept;
  [[nodiscard]] std::size_t failed() const noexcept;
};

/// Returns "requests.toml: 2 tests" with a newline.
[[nodiscard]] std::string heading_text(const std::string& file, std::size_t tests);
/// Returns one line for a test that passed; for one that failed, also what differs.
[[nodiscard]] std::string result_text(const TestResult& result, bool color);
/// Returns the last line: "2 tests passed" or "1 of 2 tests failed"; empty if none has run.
[[nodiscard]] std::string summary_text(const TestReport& report);
[[nodiscard]] Json to_json(const TestReport& report);
/// Returns the report as XML, as test runners read it from JUnit. A file with errors is a test case
/// with an error.
[[nodiscard]] std::string junit_text(const TestReport& report);

}  // namespace tenon::cli
