#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <tenon/plugin_test.hpp>

#include "csv/columns.hpp"
#include "csv_generated.h"
#include "packed.hpp"
#include "records.hpp"
#include "support.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/temporary_directory.hpp"

using tenon::test::Block;
using tenon::test::file_at;
using tenon::test::file_with;
using tenon::test::gzip;
using tenon::test::Outcome;
using tenon::test::records_of;
using tenon::test::Session;
using tenon::test::TemporaryDirectory;
using tenon::test::Worker;
using tenon::test::write_text;
using tenon::test::zstd;

namespace {

using Rows = std::vector<std::string>;

Rows rows_of(const std::string& text, const csv::ReadParamsT& params = {}) {
  Worker worker;
  Session session = worker.open("read", file_with("x.csv", text), params);
  return records_of(session);
}

/// The error that ends reading, after up to 100 rows.
Outcome error_of(const std::string& text, const csv::ReadParamsT& params = {}) {
  Worker worker;
  Session session = worker.open("read", file_with("x.csv", text), params);
  return session.step(100);
}

void check_error(const Outcome& outcome, tenon_status_t code, const std::string& part) {
  INFO(outcome.message);
  CHECK(outcome.status == code);
  CHECK(outcome.message.find(part) != std::string::npos);
}

csv::ReadParamsT typed(const std::string& name, csv::Type type) {
  csv::ReadParamsT params;
  auto column = std::make_unique<csv::ColumnTypeT>();
  column->name = name;
  column->type = type;
  params.types.push_back(std::move(column));
  return params;
}

csv::ReadParamsT all_text() {
  csv::ReadParamsT params;
  params.type = csv::Type::text;
  return params;
}

}  // namespace

TEST_CASE("Csv: rows, with and without a last line ending") {
  CHECK(rows_of("a,b\n").empty());
  CHECK(rows_of("a,b\n1,x\n2,y") == Rows{R"({"a":1,"b":"x"})", R"({"a":2,"b":"y"})"});
  CHECK(rows_of("a,b\r\n1,x\r\n\r\n2,\r\n") == Rows{R"({"a":1,"b":"x"})", R"({"a":2,"b":null})"});
  CHECK(rows_of("\xEF\xBB\xBF"
                "a\nx\n") == Rows{R"({"a":"x"})"});
}

TEST_CASE("Csv: quoted fields contain separators, line breaks and quotes") {
  CHECK(rows_of("a,b\n\"x, y\",\"say \"\"hi\"\"\"\n") == Rows{R"({"a":"x, y","b":"say \"hi\""})"});
  CHECK(rows_of("a,b\n\"one\ntwo\r\nthree\",2\n") == Rows{R"({"a":"one\ntwo\r\nthree","b":2})"});
  CHECK(rows_of("a,b\n\"\",\"\"\"\"\n") == Rows{R"({"a":"","b":"\""})"});
  CHECK(rows_of("\"a b\",\"c\"\r\n\"1\",\"2\"\r\n") == Rows{R"({"a b":"1","c":"2"})"});
  // A quote within a field is an ordinary character.
  CHECK(rows_of("a,b\n6\",x\"y\n") == Rows{R"({"a":"6\"","b":"x\"y"})"});
  CHECK(rows_of("a\n\"x\"") == Rows{R"({"a":"x"})"});
  CHECK(rows_of("a\n\"x\"\r\n") == Rows{R"({"a":"x"})"});
}

TEST_CASE("Csv: separators, quotes and headers can be set") {
  csv::ReadParamsT params;
  params.separator = ";";
  params.quote = "'";
  CHECK(rows_of("a;b\n'x;y';1,5\n", params) == Rows{R"({"a":"x;y","b":"1,5"})"});
  params.separator = "\t";
  params.quote = "none";
  CHECK(rows_of("a\tb\n\"x\t2\n", params) == Rows{R"({"a":"\"x","b":2})"});
  params = {};
  params.header = false;
  CHECK(rows_of("1,2\n3,4\n", params) == Rows{R"({"column1":1,"column2":2})", R"({"column1":3,"column2":4})"});
  params.names = {"x", "y"};
  CHECK(rows_of("1,2\n", params) == Rows{R"({"x":1,"y":2})"});
  params.header = true;
  params.skip_lines = 2;
  CHECK(rows_of("made by\n\"hand\na,b\n1,2\n", params) == Rows{R"({"x":1,"y":2})"});
  params = {};
  params.only = {"c", "a"};
  CHECK(rows_of("a,b,c\n1,2,3\n", params) == Rows{R"({"a":1,"c":3})"});
}

TEST_CASE("Csv: values without a type are what they look like") {
  const auto kind = [](std::string_view text) { return csv::infer(text).kind; };
  using Kind = csv::Value::Kind;
  CHECK(kind("") == Kind::kNull);
  CHECK(kind("true") == Kind::kBool);
  CHECK(kind("False") == Kind::kBool);
  for (const char* text : {"0", "-1", "9223372036854775807", "-9223372036854775808"}) {
    CHECK(kind(text) == Kind::kInteger);
  }
  for (const char* text : {"0.5", "-1e5", "1.", "3E-2"}) {
    CHECK(kind(text) == Kind::kNumber);
  }
  for (const char* text : {"007", "-", "+1", ".5", "1,5", "1 ", " 1", "0x1F", "nan", "inf", "1e999",
                           "9223372036854775808", "1.2.3", "yes", "tRUE", "12:30", "2020-01-01"}) {
    INFO(text);
    CHECK(kind(text) == Kind::kText);
  }
  CHECK(rows_of("a\n\"1\"\n") == Rows{R"({"a":"1"})"});
  CHECK(rows_of("a,b\n1,\n", all_text()) == Rows{R"({"a":"1","b":""})"});
}

TEST_CASE("Csv: a column of text keeps what looks like numbers") {
  CHECK(rows_of("a\n007\n+5\n\"8\"\n", typed("a", csv::Type::text)) ==
        Rows{R"({"a":"007"})", R"({"a":"+5"})", R"({"a":"8"})"});
}

TEST_CASE("Csv: values that do not fit their type are broken") {
  CHECK(rows_of("a,b\n007,1\n,2\n\"8\",3\n", typed("a", csv::Type::integer)) ==
        Rows{R"({"a":7,"b":1})", R"({"a":null,"b":2})", R"({"a":8,"b":3})"});
  CHECK(rows_of("a\n5\n0.5\n", typed("a", csv::Type::number)) == Rows{R"({"a":5})", R"({"a":0.5})"});
  CHECK(rows_of("a\nTRUE\n", typed("a", csv::Type::boolean)) == Rows{R"({"a":true})"});
  check_error(
      error_of("a\n1\nx\n", typed("a", csv::Type::integer)), TENON_CORRUPT,
      "'x.csv', line 3: column 'a': 'x' is not an integer of 64 bits; correct it, or set another type in `types`");
  for (const std::string text : {"1x", "nan", "inf", "-infinity", "+-5", "+", "-"}) {
    check_error(error_of("a\n" + text + "\n", typed("a", csv::Type::number)), TENON_CORRUPT,
                "'" + text + "' is not a number");
  }
  check_error(error_of("a\n+-5\n", typed("a", csv::Type::integer)), TENON_CORRUPT, "'+-5' is not an integer");
  check_error(error_of("a\nja\n", typed("a", csv::Type::boolean)), TENON_CORRUPT, "'ja' is not true or false");
}

TEST_CASE("Csv: broken rows are errors with file and line, or skipped and counted") {
  const std::string text = "a,b\n1,2\n3\n\"4\n\",5,6\n7,8\n\"9\"x,10\n11,12\n\"13,14\n15,16\n";
  check_error(error_of(text), TENON_CORRUPT,
              "'x.csv', line 3: has 1 field where 2 are expected; correct the row, or check `separator` and `quote`");
  check_error(error_of("a,b\n\n\"1\n2\",3\n\"4\"x,5\n"), TENON_CORRUPT,
              "'x.csv', line 5: there is text after the closing quote of field 1; double the quotes");
  check_error(error_of("a,b\n1,\"2\n3,4\n"), TENON_CORRUPT, "'x.csv', line 2: the quotes of field 2 are never closed");
  csv::ReadParamsT params;
  params.skip_broken = true;
  Worker worker;
  Session session = worker.open("read", file_with("x.csv", text), params);
  CHECK(records_of(session) ==
        Rows{R"({"a":1,"b":2})", R"({"a":7,"b":8})", R"({"a":11,"b":12})", R"({"a":15,"b":16})"});
  REQUIRE(worker.logs.size() == 5);
  CHECK(worker.logs[1].find("'x.csv', line 4: has 3 fields") != std::string::npos);
  CHECK(worker.logs[2].find("'x.csv', line 7: there is text") != std::string::npos);
  CHECK(worker.logs[3].find("'x.csv', line 9: the quotes of field 1") != std::string::npos);
  CHECK(worker.logs[4] == "'x.csv': 4 broken rows were skipped");
}

TEST_CASE("Csv: a broken header is an error, also where broken rows are skipped") {
  csv::ReadParamsT params;
  params.skip_broken = true;
  check_error(error_of("id,\"na\"me\",mail\n1,Anna,a@x\n2,Bo,b@x\n", params), TENON_CORRUPT,
              "the header is broken, so the columns have no names");
}

TEST_CASE("Csv: many columns cost no more than their bytes, and a row of separators is refused") {
  std::string header;
  std::string row;
  for (int i = 0; i < 200'000; ++i) {
    header += "column" + std::to_string(i) + ",";
    row += "1,";
  }
  csv::ReadParamsT params;
  params.only = {"column199999"};
  CHECK(rows_of(header + "last\n" + row + "2\n", params) == Rows{R"({"column199999":1})"});
  check_error(error_of(std::string(2 << 20, ',') + "\n"), TENON_CORRUPT,
              "'x.csv', line 1: has more than 1048576 fields; check `separator`");
}

TEST_CASE("Csv: params that cannot be met are errors before the first row") {
  csv::ReadParamsT params;
  params.only = {"c"};
  check_error(error_of("a,b\n1,2\n", params), TENON_INVALID_ARGUMENT,
              "'x.csv': `only` names the column 'c', which does not exist; there are: a, b");
  check_error(error_of("a,b\n1,2\n", typed("z", csv::Type::text)), TENON_INVALID_ARGUMENT,
              "`types` names the column 'z'");
  check_error(error_of("a,a\n1,2\n"), TENON_INVALID_ARGUMENT, "two columns have the name 'a'");
  params = {};
  params.separator = "::";
  check_error(error_of("a\n1\n", params), TENON_INVALID_ARGUMENT, "`separator` '::': must be one ASCII character");
  params.separator = "\"";
  check_error(error_of("a\n1\n", params), TENON_INVALID_ARGUMENT, "are the same character");
}

TEST_CASE("Csv: a row beyond the limit is broken, and reading continues after it") {
  csv::ReadParamsT params;
  params.max_row_bytes = 1000;
  const std::string text = "a,b\n1,2\n" + std::string(1 << 20, 'x') + "\n3,4\n\"" + std::string(500, '\n') +
                           std::string(600, 'y') + "\",5\n6,7\n";
  check_error(error_of(text, params), TENON_TOO_LARGE, "'x.csv', line 3: the row is longer than 1000 bytes");
  params.skip_broken = true;
  const Rows rows = rows_of(text, params);
  CHECK(rows.front() == R"({"a":1,"b":2})");
  CHECK(rows.back() == R"({"a":6,"b":7})");
  params.skip_broken = false;
  params.max_row_bytes = 16 << 20;
  params.max_size_bytes = 5000;
  check_error(error_of(text, params), TENON_TOO_LARGE, "raise `max_size_bytes`");
}

TEST_CASE("Csv: rows of a size that crosses the buffers") {
  const std::string one(300000, 'x');
  std::string two;
  for (int i = 0; i < 100000; ++i) {
    two += "y\"\"\n";
  }
  std::string shown_two;
  for (int i = 0; i < 100000; ++i) {
    shown_two += "y\\\"\\n";
  }
  CHECK(rows_of("a,b\n" + one + ",1\n\"" + two + "\",2\n3,4\n") ==
        Rows{"{\"a\":\"" + one + "\",\"b\":1}", "{\"a\":\"" + shown_two + "\",\"b\":2}", R"({"a":3,"b":4})"});
}

TEST_CASE("Csv: a checkpoint continues at the next row, of plain and packed files") {
  const TemporaryDirectory directory;
  const std::string text =
      "\xEF\xBB\xBF"
      "a,b\r\n1,\"x\r\ny\"\r\n\r\n2,z\r\n3,\r\n";
  const Rows all{R"({"a":1,"b":"x\r\ny"})", R"({"a":2,"b":"z"})", R"({"a":3,"b":null})"};
  write_text(directory / "plain", text);
  write_text(directory / "gz", gzip(text));
  write_text(directory / "zst", zstd(text));
  Worker worker;
  for (const char* name : {"plain", "gz", "zst"}) {
    for (std::uint32_t given = 0; given <= all.size(); ++given) {
      Session session = worker.open("read", file_at(directory / name));
      REQUIRE(session.step(given).results.size() == given);
      Session later = worker.open("read", file_at(directory / name), {}, session.checkpoint());
      CHECK(records_of(later) == Rows(all.begin() + given, all.end()));
    }
  }
}

TEST_CASE("Csv: lines are counted across a checkpoint") {
  const TemporaryDirectory directory;
  write_text(directory / "f", "a,b\n\"1\n1\",2\n3,4\n5\n");
  Worker worker;
  Session session = worker.open("read", file_at(directory / "f"));
  REQUIRE(session.step(1).results.size() == 1);
  Session later = worker.open("read", file_at(directory / "f"), {}, session.checkpoint());
  check_error(later.step(10), TENON_CORRUPT, "line 5: has 1 field");
}

TEST_CASE("Csv: a file that has taken the place of the one of the checkpoint is an error") {
  const TemporaryDirectory directory;
  write_text(directory / "f", "a\n1\n2\n3\n");
  Worker worker;
  Session session = worker.open("read", file_at(directory / "f"));
  REQUIRE(session.step(2).results.size() == 2);
  const Block checkpoint = session.checkpoint();
  write_text(directory / "f", "a\n");
  Session shorter = worker.open("read", file_at(directory / "f"), {}, checkpoint);
  check_error(shorter.step(1), TENON_FAILED, "has become shorter");
  write_text(directory / "g", "a\n4\n5\n6\n");
  std::filesystem::rename(directory / "g", directory / "f");
  Session other = worker.open("read", file_at(directory / "f"), {}, checkpoint);
  check_error(other.step(1), TENON_FAILED, "was replaced by another file");
}

TEST_CASE("Csv: what is not text, or torn, is an error") {
  check_error(error_of("\x89PNG\r\n\x1A\n"), TENON_UNSUPPORTED, "a PNG picture");
  const std::string packed = gzip("a,b\n1,2\n");
  check_error(error_of(packed.substr(0, packed.size() - 9)), TENON_CORRUPT, "the file is truncated");
  Worker worker;
  Session session = worker.open("read", file_at("/no/such/file.csv"));
  CHECK(session.step(1).status == TENON_NOT_FOUND);
}

TEST_CASE("Csv: any bytes end in rows or an error, never in a crash") {
  std::uint64_t random = 1;
  const std::string alphabet = ",\"\n\r;a1 \xC3";
  csv::ReadParamsT params;
  params.skip_broken = true;
  params.max_row_bytes = 40;
  for (int round = 0; round < 3000; ++round) {
    std::string text;
    for (int i = 0; i < round % 97; ++i) {
      random = random * 6364136223846793005u + 1442695040888963407u;
      text += alphabet[(random >> 33) % alphabet.size()];
    }
    params.header = round % 2 == 0;
    Worker worker;
    Session session = worker.open("read", file_with("x.csv", text), params);
    for (int steps = 0;; ++steps) {
      const Outcome outcome = session.step(1);
      REQUIRE(steps < 200);
      if (outcome.status != TENON_OK) {
        break;
      }
    }
  }
}
