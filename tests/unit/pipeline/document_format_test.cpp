// tenon fmt: layouts change, meanings do not.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/document_format.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/paths.hpp"

namespace fs = std::filesystem;
using tenon::internal::format_document;
using tenon::internal::parse_document;
using tenon::internal::Reporter;
using tenon::internal::same_document;
using tenon::internal::Value;

namespace {

std::string formatted(std::string_view text) {
  Reporter reporter("p.toml", text);
  const auto out = format_document(text, reporter);
  tenon::Diagnostics diagnostics;
  reporter.move_to(diagnostics);
  INFO(text);
  INFO(diagnostics.to_text());
  REQUIRE(out);
  return *out;
}

Value parsed(std::string_view text) {
  Reporter reporter("p.toml", text);
  auto out = parse_document(text, reporter);
  INFO(text);
  REQUIRE(out);
  return std::move(*out);
}

/// The meaning stays, and a second pass changes nothing.
std::string check_sound(const std::string& text) {
  const std::string once = formatted(text);
  CAPTURE(text, once);
  CHECK(same_document(parsed(text), parsed(once)));
  CHECK(formatted(once) == once);
  return once;
}

/// Makes TOML in every layout. Its comments are numbered.
class RandomToml {
 public:
  explicit RandomToml(unsigned seed) : random_(seed) {}

  std::string make() {
    const int lines = below(12);
    for (int i = 0; i < lines; ++i) {
      add_line("top" + std::to_string(i));
    }
    const int tables = below(5);
    for (int i = 0; i < tables; ++i) {
      const bool array = below(3) == 0;
      out_ += blanks() + (array ? "[[" : "[") + blanks() + key("t" + std::to_string(i)) + blanks() +
              (array ? "]]" : "]") + line_end();
      const int entries = below(6);
      for (int j = 0; j < entries; ++j) {
        add_line("k" + std::to_string(j));
      }
    }
    out_ += "last = 1";
    return std::move(out_);
  }
  [[nodiscard]] int comments() const noexcept { return comments_; }

 private:
  int below(int count) { return static_cast<int>(random_() % static_cast<unsigned>(count)); }
  std::string blanks() { return std::vector<std::string>{"", " ", "  ", "\t"}[static_cast<std::size_t>(below(4))]; }
  std::string comment() { return "#" + blanks() + "c" + std::to_string(++comments_) + ": \"x' = [" + blanks(); }
  std::string line_end() { return blanks() + (below(3) == 0 ? comment() : "") + (below(4) == 0 ? "\r\n" : "\n"); }

  void add_line(const std::string& name) {
    for (int i = below(4); i == 0; i = below(3)) {
      out_ += line_end();
    }
    out_ += blanks() + key(name) + blanks() + "=" + blanks() + value(0) + line_end();
  }

  std::string key(const std::string& name) {
    switch (below(6)) {
      case 0:
        return '"' + name + '"';
      case 1:
        return '\'' + name + '\'';
      case 2:
        return name + blanks() + "." + blanks() + "inner";
      case 3:
        return '"' + name + ".with dots\"";
      case 4:
        return "'" + name + "\\ \"'." + "\"\"";
      default:
        return name;
    }
  }

  std::string value(int depth) {
    static const std::vector<std::string> kScalars = {
        "1",
        "-0x1F",
        "18446744073709551615",
        "1_000",
        "1e-3",
        "nan",
        "-inf",
        "true",
        "1979-05-27",
        "1979-05-27 07:32:00Z",
        "1979-05-27T07:32:00",
        "\"plain\"",
        "\"# no comment, \\\"quoted\\\" ] }\"",
        "'plain'",
        "'back\\slash'",
        "'a \"quote\"'",
        "''",
        "\"\"",
        "\"\"\"\nlines # no comment\n  \\\n  more \"\" \\\"\"\"\"",
        "'''\n# lines ''\\'''",
        "\"\"\"two quotes at the end\"\"\"\"\"",
    };
    const int kind = below(depth < 3 ? 4 : 2);
    if (kind == 2) {
      return array(depth);
    }
    if (kind == 3) {
      return table(depth);
    }
    return kScalars[static_cast<std::size_t>(below(static_cast<int>(kScalars.size())))];
  }

  std::string break_in_array() { return below(3) == 0 ? line_end() + blanks() : blanks(); }

  std::string array(int depth) {
    std::string out = "[" + break_in_array();
    const int count = below(4);
    for (int i = 0; i < count; ++i) {
      out += value(depth + 1) + break_in_array();
      if (i + 1 < count || below(2) == 0) {
        out += "," + break_in_array() + (below(4) == 0 ? line_end() + line_end() : "");
      }
    }
    return out + "]";
  }

  std::string table(int depth) {
    std::string out = "{" + blanks();
    const int count = below(3);
    for (int i = 0; i < count; ++i) {
      out += (i > 0 ? "," + blanks() : "") + key("k" + std::to_string(i)) + blanks() + "=" + blanks() +
             value(depth + 1) + blanks();
    }
    return out + "}";
  }

  std::mt19937 random_;
  std::string out_;
  int comments_ = 0;
};

/// The numbers of the comments of a random text, in their order.
std::vector<std::string> comments_of(const std::string& text) {
  constexpr std::string_view kEnd = ": \"x' = [";
  std::vector<std::string> numbers;
  for (std::size_t at = text.find(kEnd); at != std::string::npos; at = text.find(kEnd, at + 1)) {
    const std::size_t begin = text.rfind('c', at);
    numbers.push_back(text.substr(begin, at - begin));
  }
  return numbers;
}

}  // namespace

TEST_CASE("format_document: spaces and empty lines and quotes") {
  CHECK(formatted("\n\n  a=1\n\n\n\nb  =  [ 1,2 ,3, ]   # why\n[ 'x' . \"y\" ]\nc={a=1,b={ }}\n\n\n") ==
        "a = 1\n\nb = [1, 2, 3] # why\n\n[x.y]\nc = { a = 1, b = {} }\n");
  CHECK(formatted("a = 'plain'\nb = 'c:\\d'\n'c d' = 'say \"x\"'\n[[  tests ]]\r\nname = ''") ==
        "a = \"plain\"\nb = 'c:\\d'\n\"c d\" = 'say \"x\"'\n\n[[tests]]\nname = \"\"\n");
  CHECK(formatted("\xEF\xBB\xBF"
                  "a=1") == "a = 1\n");
}

TEST_CASE("format_document: comments stay where they are") {
  CHECK(formatted("# The file.\n\n#of a\na=1#one\n# of the table\n[t]\n\n# of b\n\nb=2\n# end") ==
        "# The file.\n\n#of a\na = 1 #one\n\n# of the table\n[t]\n# of b\n\nb = 2\n# end\n");
  CHECK(formatted("a = [ # first\n 1, # one\n# two\n\n\n2 # three\n, 3, 4 ]") ==
        "a = [ # first\n  1, # one\n  # two\n\n  2, # three\n  3, 4,\n]\n");
  CHECK(formatted("a = [\n\n[\n1],{b=[\n2]}]") == "a = [\n  [\n    1,\n  ], { b = [\n    2,\n  ] },\n]\n");
}

TEST_CASE("format_document: the shipped pipelines are laid out already") {
  int files = 0;
  for (const char* const place : {"plugins", "tests/bench"}) {
    for (const auto& entry : fs::recursive_directory_iterator(tenon::test::source_dir() / place)) {
      if (entry.path().extension() != ".toml") {
        continue;
      }
      std::ifstream file(entry.path(), std::ios::binary);
      const std::string text{std::istreambuf_iterator<char>(file), {}};
      INFO(entry.path().string() << ": run tenon fmt");
      CHECK(check_sound(text) == text);
      ++files;
    }
  }
  CHECK(files > 15);
}

TEST_CASE("format_document: random texts keep their meaning and their comments") {
  int sound = 0;
  for (unsigned seed = 0; seed < 3000; ++seed) {
    RandomToml random(seed);
    const std::string text = random.make();
    Reporter reporter("p.toml", text);
    if (!parse_document(text, reporter)) {
      continue;  // A key occurs twice, or a part of one is not a table.
    }
    ++sound;
    const std::string once = check_sound(text);
    INFO(text << "\n---\n" << once);
    const auto comments = comments_of(text);
    CHECK(static_cast<int>(comments.size()) == random.comments());
    CHECK(comments_of(once) == comments);
    CHECK(std::count(once.begin(), once.end(), '\r') == 0);
  }
  CHECK(sound > 500);
}

TEST_CASE("format_document: a text that is not TOML is refused") {
  for (const char* const text : {"a = ", "[a", "a = [1,", "a = \"x", "a = 1 b = 2", "", "\xFF", "a = 'x'y"}) {
    Reporter reporter("p.toml", text);
    CHECK_FALSE(format_document(text, reporter));
    CHECK(reporter.has_errors());
  }
}
