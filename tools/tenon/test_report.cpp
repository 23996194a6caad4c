#include "tools/tenon/test_report.hpp"

#include <algorithm>
#include <cstdio>
#include <numeric>
#include <string_view>

#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "base/utf8.hpp"
#include "pipeline/report_json.hpp"

namespace tenon::cli {
namespace {

constexpr std::size_t kMaxLineBytes = 2000;

std::string seconds_text(double seconds) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", seconds);
  return text;
}

/// Returns the lines of the problems, each with this indentation.
std::string problems_text(const TestResult& result, std::string_view indentation) {
  std::string text;
  for (const internal::TestProblem& problem : result.problems) {
    const std::string place = problem.place.empty() ? std::string() : problem.place + ": ";
    text += std::string(indentation) + internal::printable(place + problem.message, kMaxLineBytes) + '\n';
    for (const std::string& detail : problem.details) {
      text += std::string(indentation) + "  " + internal::printable(detail, kMaxLineBytes) + '\n';
    }
  }
  return text;
}

/// Returns a text for XML, with U+FFFD for what XML cannot contain. Usable in attributes too.
std::string xml_text(std::string_view text) {
  constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at];
    const std::size_t length = internal::utf8_length(text.substr(at));
    const std::string_view character = text.substr(at, std::max<std::size_t>(1, length));
    at += character.size();
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '"') {
      out += "&quot;";
    } else if (length == 0 || (static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t') ||
               character == "\xEF\xBF\xBE" || character == "\xEF\xBF\xBF") {
      out += kReplacement;
    } else {
      out += character;
    }
  }
  return out;
}

std::string attribute(std::string_view name, std::string_view value) {
  return ' ' + std::string(name) + "=\"" + xml_text(value) + '"';
}

double seconds_of(const TestFileReport& file) {
  return std::accumulate(file.tests.begin(), file.tests.end(), 0.0,
                         [](double sum, const TestResult& test) { return sum + test.seconds; });
}

std::size_t failed_of(const TestFileReport& file) {
  return static_cast<std::size_t>(std::count_if(file.tests.begin(), file.tests.end(),
                                                [](const TestResult& test) { return !test.problems.empty(); }));
}

std::string counts(std::size_t tests, std::size_t failures, std::size_t errors, double seconds) {
  return attribute("tests", std::to_string(tests)) + attribute("failures", std::to_string(failures)) +
         attribute("errors", std::to_string(errors)) + attribute("time", seconds_text(seconds));
}

std::string testcase(const TestFileReport& file, const TestResult& test) {
  std::string text = "    <testcase" + attribute("classname", file.pipeline) + attribute("name", test.name) +
                     attribute("file", test.file) + attribute("line", std::to_string(test.line)) +
                     attribute("time", seconds_text(test.seconds));
  if (test.problems.empty()) {
    return text + "/>\n";
  }
  const internal::TestProblem& first = test.problems.front();
  return text + ">\n      <failure" +
         attribute("message", (first.place.empty() ? std::string() : first.place + ": ") + first.message) + '>' +
         xml_text(problems_text(test, "")) + "</failure>\n    </testcase>\n";
}

}  // namespace

std::size_t TestReport::count() const noexcept {
  return std::accumulate(files.begin(), files.end(), std::size_t{0},
                         [](std::size_t sum, const TestFileReport& file) { return sum + file.tests.size(); });
}

std::size_t TestReport::failed() const noexcept {
  return std::accumulate(files.begin(), files.end(), std::size_t{0},
                         [](std::size_t sum, const TestFileReport& file) { return sum + failed_of(file); });
}

std::string heading_text(const std::string& file, std::size_t tests) {
  return internal::printable(file, kMaxLineBytes) + ": " + internal::count_of(tests, "test", "tests") + '\n';
}

std::string result_text(const TestResult& result, bool color) {
  const bool good = result.problems.empty();
  const std::string word = good ? "ok" : "FAIL";
  std::string text = "  ";
  text += color ? (good ? "\x1b[32m" : "\x1b[1;31m") + word + "\x1b[0m" : word;
  text += (good ? "    " : "  ") + internal::printable(result.name) + " (";
  if (!good) {
    text += internal::printable(result.file, kMaxLineBytes) + ":" + std::to_string(result.line) + ", ";
  }
  return text + seconds_text(result.seconds) + " s)\n" + problems_text(result, "        ");
}

std::string summary_text(const TestReport& report) {
  const std::size_t count = report.count();
  const std::size_t failed = report.failed();
  if (count == 0) {
    return {};
  }
  return failed > 0 ? std::to_string(failed) + " of " + internal::count_of(count, "test", "tests") + " failed\n"
                    : internal::count_of(count, "test", "tests") + " passed\n";
}

Json to_json(const TestReport& report) {
  Json document;
  document["files"] = Json::array();
  for (const TestFileReport& file : report.files) {
    Json one;
    one["file"] = file.file;
    one["ok"] = file.loaded && failed_of(file) == 0;
    one["diagnostics"] = internal::to_json(file.diagnostics);
    one["tests"] = Json::array();
    for (const TestResult& test : file.tests) {
      Json result;
      result["name"] = test.name;
      result["file"] = test.file;
      result["line"] = test.line;
      result["ok"] = test.problems.empty();
      result["seconds"] = test.seconds;
      result["problems"] = Json::array();
      for (const internal::TestProblem& problem : test.problems) {
        Json shown;
        if (!problem.place.empty()) {
          shown["place"] = problem.place;
        }
        shown["message"] = problem.message;
        shown["details"] = problem.details;
        result["problems"].push_back(std::move(shown));
      }
      one["tests"].push_back(std::move(result));
    }
    document["files"].push_back(std::move(one));
  }
  document["passed"] = report.count() - report.failed();
  document["failed"] = report.failed();
  return document;
}

std::string junit_text(const TestReport& report) {
  const auto errors = static_cast<std::size_t>(
      std::count_if(report.files.begin(), report.files.end(), [](const TestFileReport& file) { return !file.loaded; }));
  double seconds = 0;
  for (const TestFileReport& file : report.files) {
    seconds += seconds_of(file);
  }
  std::string text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites" +
                     counts(report.count() + errors, report.failed(), errors, seconds) + ">\n";
  for (const TestFileReport& file : report.files) {
    const std::size_t error = file.loaded ? 0 : 1;
    text += "  <testsuite" + attribute("name", file.file) +
            counts(file.tests.size() + error, failed_of(file), error, seconds_of(file)) + ">\n";
    if (!file.loaded) {
      text += "    <testcase" + attribute("classname", file.file) + attribute("name", "the file is valid") +
              attribute("file", file.file) + attribute("time", "0.00") + ">\n      <error" +
              attribute("message", "the pipeline file has errors") + '>' + xml_text(file.diagnostics.to_text()) +
              "</error>\n    </testcase>\n";
    }
    for (const TestResult& test : file.tests) {
      text += testcase(file, test);
    }
    text += "  </testsuite>\n";
  }
  return text + "</testsuites>\n";
}

}  // namespace tenon::cli
