#include "base/source_excerpt.hpp"

#include <string>

#include "tenon_test/catch.hpp"

namespace tenon::test {

using internal::excerpt_of;
using internal::source_line;

TEST_CASE("excerpt_of: marks the location and its length") {
  const auto shown = excerpt_of("key = value", 7, 5);
  CHECK(shown.text == "key = value");
  CHECK(shown.marks == "      ^~~~~");
}

TEST_CASE("excerpt_of: columns of a terminal, not bytes") {
  CHECK(excerpt_of("\t\xC3\xA4x", 4).marks == "\t ^");
  CHECK(excerpt_of("\xE6\x97\xA5x", 4).marks == "  ^");  // A wide character takes two columns.
  CHECK(excerpt_of("\xE6\x97\xA5x", 1).marks == "^~");   // All of it is marked.
  CHECK(excerpt_of("e\xCC\x81x", 4).marks == " ^");      // A combining mark takes none.
}

TEST_CASE("excerpt_of: a column behind the end points behind it") {
  CHECK(excerpt_of("ab", 3).marks == "  ^");
  CHECK(excerpt_of("ab", 9).marks == "  ^");
  CHECK(excerpt_of("", 1).marks == "^");
}

TEST_CASE("excerpt_of: what a terminal cannot show becomes a question mark") {
  CHECK(excerpt_of("a\x1b[31m\xFF", 1).text == "a?[31m?");
}

TEST_CASE("excerpt_of: a long line is cut around the location") {
  const auto shown = excerpt_of(std::string(1000, 'a') + 'X' + std::string(1000, 'b'), 1001, 1, 100);
  CHECK(shown.text.size() == 106);
  CHECK(shown.text.starts_with("...a"));
  CHECK(shown.text.ends_with("b..."));
  CHECK(shown.text[shown.marks.size() - 1] == 'X');
}

TEST_CASE("source_line: lines count from 1 and lose their break") {
  CHECK(source_line("a\r\nb", 1) == "a");
  CHECK(source_line("a\r\nb", 2) == "b");
  CHECK(source_line("a\n", 2) == "");
  CHECK_FALSE(source_line("a", 0).has_value());
  CHECK_FALSE(source_line("a", 2).has_value());
}

}  // namespace tenon::test
