#include <string>
#include <vector>

#include <tenon/plugin_test.hpp>

#include "packed.hpp"
#include "support.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/temporary_directory.hpp"
#include "text_generated.h"

using tenon::test::Block;
using tenon::test::file_at;
using tenon::test::file_with;
using tenon::test::gzip;
using tenon::test::Session;
using tenon::test::TemporaryDirectory;
using tenon::test::Worker;
using tenon::test::write_text;
using tenon::test::zstd;

namespace {

using Lines = std::vector<std::string>;

/// Returns the texts of a session's lines; their numbers must continue from `first_number`.
Lines rest_of(Session& session, std::uint64_t first_number = 1) {
  Lines lines;
  for (;;) {
    const auto outcome = session.step(3);
    INFO(outcome.message);
    REQUIRE(outcome.ok());
    for (const Block& result : outcome.results) {
      const auto& line = result.as<tenon::Line>();
      CHECK(line.number() == first_number + lines.size());
      lines.push_back(line.text()->str());
    }
    if (outcome.status == TENON_END) {
      return lines;
    }
  }
}

Lines lines_of(const std::string& text, const text::LinesParamsT& params = {}) {
  Worker worker;
  auto session = worker.open("lines", file_with("origin", text), params);
  return rest_of(session);
}

}  // namespace

TEST_CASE("Lines: ends of lines") {
  CHECK(lines_of("a\nb\n") == Lines{"a", "b"});
  CHECK(lines_of("a\nb") == Lines{"a", "b"});
  CHECK(lines_of("\n\n") == Lines{"", ""});
  CHECK(lines_of("a\r\nb\rc\r\n") == Lines{"a", "b\rc"});
  CHECK(lines_of("a\r") == Lines{"a\r"});
  CHECK(lines_of(std::string("a\0b\n", 4)) == Lines{std::string("a\0b", 3)});
  // This is neither a byte order mark of UTF-16 nor UTF-8.
  CHECK(lines_of("\xFE\xFD\n") == Lines{"\xFE\xFD"});
}

TEST_CASE("Lines: an empty file has none") {
  const TemporaryDirectory directory;
  write_text(directory / "empty", "");
  Worker worker;
  auto session = worker.open("lines", file_at(directory / "empty"));
  CHECK(rest_of(session).empty());
}

TEST_CASE("Lines: long ones are cut or an error, at the limit exactly") {
  text::LinesParamsT params;
  params.max_line_bytes = 4;
  CHECK(lines_of("1234\n12345\n\n1234\r\n12345\r\n", params) == Lines{"1234", "1234", "", "1234", "1234"});
  params.long_lines = text::LongLines::fail;
  CHECK(lines_of("1234\r\n", params) == Lines{"1234"});
  Worker worker;
  auto session = worker.open("lines", file_with("origin", "1234\n12345\n"), params);
  const auto outcome = session.step(5);
  CHECK(outcome.status == TENON_TOO_LARGE);
  CHECK(outcome.message.find("max_line_bytes") != std::string::npos);
}

TEST_CASE("Lines: of a size that crosses the buffers") {
  const std::string one(300000, 'x');
  const std::string two(262143, 'y');
  CHECK(lines_of(one + "\n" + two + "\nz") == Lines{one, two, "z"});
}

TEST_CASE("Lines: a checkpoint goes on at the next line, of plain and packed files") {
  const TemporaryDirectory directory;
  const std::string text = "one\r\ntwo\n\nfour\nfive";
  const Lines all{"one", "two", "", "four", "five"};
  write_text(directory / "plain", text);
  write_text(directory / "gz", gzip(text));
  write_text(directory / "zst", zstd(text));
  Worker worker;
  for (const char* name : {"plain", "gz", "zst"}) {
    for (std::uint32_t given = 1; given <= all.size(); ++given) {
      auto session = worker.open("lines", file_at(directory / name));
      REQUIRE(session.step(given).results.size() == given);
      auto later = worker.open("lines", file_at(directory / name), {}, session.checkpoint());
      CHECK(rest_of(later, given + 1) == Lines(all.begin() + given, all.end()));
    }
  }
}

TEST_CASE("Lines: a file that has taken the place of the one of the checkpoint is an error") {
  const TemporaryDirectory directory;
  write_text(directory / "f", "one\ntwo\nthree\n");
  Worker worker;
  auto session = worker.open("lines", file_at(directory / "f"));
  REQUIRE(session.step(2).results.size() == 2);
  const Block checkpoint = session.checkpoint();
  write_text(directory / "g", "ONE\nTWO\nTHREE\n");
  std::filesystem::rename(directory / "g", directory / "f");
  auto later = worker.open("lines", file_at(directory / "f"), {}, checkpoint);
  CHECK(later.step(1).status == TENON_FAILED);
}

TEST_CASE("Lines: a file that has become shorter than its checkpoint is an error") {
  const TemporaryDirectory directory;
  write_text(directory / "f", "one\ntwo\nthree\n");
  Worker worker;
  auto session = worker.open("lines", file_at(directory / "f"));
  REQUIRE(session.step(2).results.size() == 2);
  const Block checkpoint = session.checkpoint();
  write_text(directory / "f", "one\n");
  auto later = worker.open("lines", file_at(directory / "f"), {}, checkpoint);
  CHECK(later.step(1).status == TENON_FAILED);
}
