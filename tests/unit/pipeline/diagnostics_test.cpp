#include "pipeline/diagnostics.hpp"

#include <string>

#include "load.hpp"
#include "tenon_test/catch.hpp"

namespace tenon::test {

using internal::Place;
using internal::Reporter;

TEST_CASE("Diagnostics: text has place, line, caret, hint and the other end") {
  const Loaded loaded = load(R"([sources.walk]
task = "files.walk"
args = { root = "/" }
[sinks.out]
task = "text.grep"
params = { pattern = "x" }
inputs = ["walk"]
)");
  CHECK(loaded.diagnostics.to_text() == R"(p.toml:7:11: error: 'out' takes tenon.Line, but 'walk' gives tenon.File
    7 | inputs = ["walk"]
      |           ^~~~~~
p.toml:2:8: note: 'walk' gives tenon.File (task files.walk)
    2 | task = "files.walk"
      |        ^~~~~~~~~~~~
p.toml:5:8: note: 'out' takes tenon.Line (task text.grep)
    5 | task = "text.grep"
      |        ^~~~~~~~~~~
)");
  CHECK(loaded.diagnostics.has_errors());
}

TEST_CASE("Diagnostics: the caret stands right after tabs and beyond ASCII") {
  Reporter reporter("f.toml", "\tü = \"日本\" x\r\nsecond");
  reporter.error(Place{1, 16, 1, 0}, "here");
  Diagnostics diagnostics;
  reporter.move_to(diagnostics);
  CHECK(diagnostics.to_text() == "f.toml:1:16: error: here\n    1 | \tü = \"日本\" x\n      | \t           ^\n");
}

TEST_CASE("Diagnostics: a long line is clipped around the caret") {
  const std::string line(3000, 'a');
  Reporter reporter("f.toml", line);
  reporter.error(Place{1, 1500, 3, 0}, "here");
  Diagnostics diagnostics;
  reporter.move_to(diagnostics);
  const std::string text = diagnostics.to_text();
  CHECK(text.size() < 500);
  CHECK(text.find("...aaa") != std::string::npos);
  CHECK(text.find("^~~") != std::string::npos);
}

TEST_CASE("Diagnostics: control bytes reach no terminal") {
  Reporter reporter("a\033[2J.toml", "x = \"\033[31m\"\n");
  reporter.error(Place{1, 1, 1, 0}, "bad '\033[31m\n'");
  Diagnostics diagnostics;
  reporter.move_to(diagnostics);
  CHECK(diagnostics.to_text().find('\033') == std::string::npos);
}

TEST_CASE("Diagnostics: messages come in the order of the file, once each, notes with their error") {
  Reporter reporter("f", "a\nb\nc\n", {"k=v"});
  Place in_override;
  in_override.override_number = 1;
  reporter.error(in_override, "last");
  const std::size_t group = reporter.error(Place{3, 1, 1, 0}, "third");
  reporter.note(group, Place{1, 1, 1, 0}, "see here");
  reporter.warning(Place{2, 1, 1, 0}, "second", "a hint");
  reporter.error(Place{3, 1, 1, 0}, "third");
  Diagnostics diagnostics;
  reporter.move_to(diagnostics);
  CHECK(diagnostics.to_text() ==
        "f:2:1: warning: second\n    2 | b\n      | ^\n      = a hint\n"
        "f:3:1: error: third\n    3 | c\n      | ^\n"
        "f:1:1: note: see here\n    1 | a\n      | ^\n"
        "--set k=v: error: last\n");
}

TEST_CASE("Diagnostics: color is there only when asked for") {
  Reporter reporter("f", "a\n");
  reporter.error(Place{1, 1, 1, 0}, "x");
  Diagnostics diagnostics;
  reporter.move_to(diagnostics);
  CHECK(diagnostics.to_text(false).find('\033') == std::string::npos);
  CHECK(diagnostics.to_text(true).find("\033[1;31merror: ") != std::string::npos);
}

TEST_CASE("Diagnostics: JSON escapes what it must") {
  Reporter reporter("f\"\\.toml", "a\tb\n");
  reporter.error(Place{1, 1, 2, 0}, "say \"x\"", "hint");
  Diagnostics diagnostics;
  reporter.move_to(diagnostics);
  CHECK(diagnostics.to_json() == R"([
  {
    "severity": "error",
    "file": "f\"\\.toml",
    "line": 1,
    "column": 1,
    "length": 2,
    "message": "say \"x\"",
    "hint": "hint",
    "source_line": "a\tb"
  }
]
)");
  CHECK(Diagnostics().to_json() == "[]\n");
}

}  // namespace tenon::test
