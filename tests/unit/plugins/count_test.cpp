#include <stdio.h>

#include <cstdio>
#include <random>
#include <string>
#include <vector>

#include <tenon/plugin_test.hpp>

#include "packed.hpp"
#include "support.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/temporary_directory.hpp"
#include "text/count.hpp"
#include "text_generated.h"

using tenon::test::file_at;
using tenon::test::file_with;
using tenon::test::TemporaryDirectory;
using tenon::test::Worker;
using tenon::test::write_text;

namespace {

text::CountsT count_in_pieces(const std::string& text, std::size_t piece) {
  text::Counter counter;
  for (std::size_t at = 0; at < text.size(); at += piece) {
    const auto part = text.substr(at, piece);
    counter.add({reinterpret_cast<const std::uint8_t*>(part.data()), part.size()});
  }
  return counter.finish();
}

}  // namespace

TEST_CASE("Count: table of texts, cut anywhere") {
  struct Row {
    std::string text;
    std::uint64_t lines, words, characters, longest;
  };
  const Row rows[] = {
      {"", 0, 0, 0, 0},
      {"\n", 1, 0, 1, 0},
      {"a", 0, 1, 1, 1},
      {"one two\nthree\n", 2, 3, 14, 7},
      {" \t\v\f\r\n ", 1, 0, 7, 5},
      {"\xC3\xBC\xE6\x97\xA5\xF0\x9F\x98\x80", 0, 1, 3, 9},
      {"\xFF\xFE", 0, 1, 2, 2},
      {"\xE6\x97", 0, 1, 2, 2},
      {"\xE6\x97z", 0, 1, 3, 3},
      {"\xE6\xE6\x97\xA5", 0, 1, 2, 4},
      {"\xED\xA0\x80", 0, 1, 3, 3},
      {"\xC0\xAF", 0, 1, 2, 2},
  };
  for (const Row& row : rows) {
    for (const std::size_t piece : {1u, 2u, 3u, 100u}) {
      INFO(row.text << " in pieces of " << piece);
      const auto counts = count_in_pieces(row.text, piece);
      CHECK(counts.lines == row.lines);
      CHECK(counts.words == row.words);
      CHECK(counts.characters == row.characters);
      CHECK(counts.longest_line_bytes == row.longest);
      CHECK(counts.size_bytes == row.text.size());
    }
  }
}

TEST_CASE("Count: a path alone is enough, for plain and packed files") {
  const TemporaryDirectory directory;
  const std::string text = "hello big world\nbye\n";
  write_text(directory / "plain.txt", text);
  write_text(directory / "packed.gz", tenon::test::gzip(text));
  write_text(directory / "packed.zst", tenon::test::zstd(text));
  Worker worker;
  for (const char* name : {"plain.txt", "packed.gz", "packed.zst"}) {
    const auto outcome = worker.call("count", file_at(directory / name));
    const auto& counts = outcome.as<text::Counts>();
    CHECK(counts.lines() == 2);
    CHECK(counts.words() == 4);
    CHECK(counts.size_bytes() == text.size());
    CHECK(counts.path()->str() == (directory / name).string());
  }
}

TEST_CASE("Count: missing files, limits and cancelling") {
  Worker worker;
  CHECK(worker.call("count", file_at(tenon::test::missing_path())).status == TENON_NOT_FOUND);
  text::CountParamsT params;
  params.max_size_bytes = 3;
  CHECK(worker.call("count", file_with("f", "1234"), params).status == TENON_TOO_LARGE);
  worker.settings.polls_before_stop = 0;
  CHECK(worker.call("count", file_with("f", "1234")).status == TENON_CANCELLED);
}

TEST_CASE("Count: words are runs between white space of all kinds, and one character of a word must print") {
  struct Row {
    std::string text;
    std::uint64_t words;
  };
  const Row rows[] = {
      {"a\u00A0b\u1680c\u2000d\u200Ae\u2028f\u2029g\u202Fh\u205Fi\u2060j\u3000k", 11},
      {"a\u2007b", 2},
      {"a\u0085b", 1},          // A control character is not a separator,
      {"\u0085 \x01 \x7F", 0},  // and it is not a word.
      {"a\x01 \x01z\x1C", 2},
      {"a\u200Bb\uFEFFc\u180Ed", 1},
      {"\uFEFF", 1},
      {"\u00A0\u3000\u2028", 0},
      {"\uE000 \u65E5\u672C \U0001F600", 3},
      {std::string("a\0b \0", 5), 1},
  };
  for (const Row& row : rows) {
    for (const std::size_t piece : {1u, 2u, 3u, 100u}) {
      INFO(row.text << " in pieces of " << piece);
      CHECK(count_in_pieces(row.text, piece).words == row.words);
    }
  }
}

TEST_CASE("Count: blocks and single bytes give the same counts for any bytes") {
  const std::vector<std::string> units{"a",    "word", " ",    "\n",   "\r\n",     "\t",           std::string(1, '\0'),
                                       "\x7F", "\x1B", "\xFF", "\xC3", "\xC3\xBC", "\xE6\x97\xA5", "\xE2\x80\xA8",
                                       "\xA5", "~",    "!",    "\v"};
  std::minstd_rand random(14);
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    // Some texts are only ASCII, some only printable.
    const std::size_t kinds = round % 3 == 0 ? 5 : round % 3 == 1 ? 9 : units.size();
    for (std::size_t i = random() % 300; i != 0; --i) {
      text += units[random() % kinds];
    }
    const auto expected = count_in_pieces(text, 1);
    for (const std::size_t piece : {63u, 64u, 65u, 100u, 100000u}) {
      const auto counts = count_in_pieces(text, piece);
      REQUIRE(counts.lines == expected.lines);
      REQUIRE(counts.words == expected.words);
      REQUIRE(counts.characters == expected.characters);
      REQUIRE(counts.longest_line_bytes == expected.longest_line_bytes);
      REQUIRE(counts.size_bytes == text.size());
    }
  }
}

// README.md promises this for valid text in C.UTF-8. Left out is what depends on the release of wc:
// runs without a printable character, and the line and paragraph separators U+2028 and U+2029. Each
// text fits into one buffer of wc: wc 9.7 counts a word twice if the buffer ends in it.
TEST_CASE("Count: lines and words and characters agree with wc in C.UTF-8") {
  const auto seed = GENERATE(11U, 12U, 13U);
  const std::vector<std::string> spaces = {" ",      "\n",     "\t",     "\v",     "\f",
                                           "\r",     "\u00A0", "\u1680", "\u2000", "\u2007",
                                           "\u200A", "\u202F", "\u205F", "\u2060", "\u3000"};
  const std::vector<std::string> printable = {"a",      "Z",      "0",      "~",      "!",          "\u00E9",
                                              "\u0301", "\u00DF", "\u0416", "\u05D0", "\u0627",     "\u0E01",
                                              "\u65E5", "\uAC00", "\uE000", "\uFF21", "\U0001F600", "\U00020000"};
  // They neither print nor separate.
  const std::vector<std::string> silent = {"\x01",   "\x1B",  "\x1C", "\x1F", "\x7F", std::string(1, '\0'),
                                           "\u0085", "\u009F"};
  std::minstd_rand random(seed);
  const auto any = [&](const std::vector<std::string>& units) { return units[random() % units.size()]; };
  std::string text;
  constexpr std::size_t kRuns = 20'000;
  for (std::size_t run = 0; run < kRuns; ++run) {
    for (std::size_t i = random() % 4; i != 0; --i) {
      text += any(spaces);
    }
    text += any(spaces);
    const std::size_t size = 1 + random() % 6;
    const std::size_t sure = random() % size;
    for (std::size_t i = 0; i < size; ++i) {
      text += i == sure || random() % 4 != 0 ? any(printable) : any(silent);
    }
  }
  REQUIRE(text.size() < std::size_t{256} * 1024);
  const TemporaryDirectory directory;
  write_text(directory / "text", text);
  const std::string command =
      "env -u POSIXLY_CORRECT LC_ALL=C.UTF-8 wc -l -w -m < '" + (directory / "text").string() + "'";
  std::FILE* const wc = ::popen(command.c_str(), "r");
  REQUIRE(wc != nullptr);
  unsigned long long lines = 0;
  unsigned long long words = 0;
  unsigned long long characters = 0;
  const int read = std::fscanf(wc, "%llu %llu %llu", &lines, &words, &characters);
  REQUIRE(::pclose(wc) == 0);
  REQUIRE(read == 3);
  const auto counts = count_in_pieces(text, 4096);
  CHECK(words == kRuns);
  CHECK(counts.words == words);
  CHECK(counts.lines == lines);
  CHECK(counts.characters == characters);
}
