#include <algorithm>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <tenon/plugin_test.hpp>

#include "jsonl_generated.h"
#include "obstacles.hpp"
#include "rows.hpp"
#include "support.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/temporary_directory.hpp"

using tenon::test::Block;
using tenon::test::entries_in;
using tenon::test::file_at;
using tenon::test::Outcome;
using tenon::test::RandomRows;
using tenon::test::read_text;
using tenon::test::record_of;
using tenon::test::Row;
using tenon::test::rows_to_end;
using tenon::test::same;
using tenon::test::Session;
using tenon::test::TemporaryDirectory;
using tenon::test::Worker;
using tenon::test::write_rows;
using tenon::test::write_text;

namespace {

namespace fs = std::filesystem;

jsonl::WriteParamsT into_lines(const fs::path& path, jsonl::Existing existing = jsonl::Existing::replace) {
  jsonl::WriteParamsT params;
  params.path = path.string();
  params.existing = existing;
  return params;
}

std::string lines_of(const std::vector<Row>& rows, jsonl::WriteParamsT params = {}) {
  const TemporaryDirectory directory;
  params.path = (directory / "x.jsonl").string();
  Worker worker;
  const Outcome outcome = write_rows(worker, rows, params);
  INFO(outcome.message);
  REQUIRE(outcome.ok());
  CHECK(entries_in(directory.path()) == 1);
  return read_text(directory / "x.jsonl");
}

void check_line_refused(const std::vector<Row>& rows, const jsonl::WriteParamsT& params, const std::string& part) {
  Worker worker;
  const Outcome outcome = write_rows(worker, rows, params);
  INFO(outcome.message);
  CHECK(outcome.status == TENON_INVALID_ARGUMENT);
  CHECK(outcome.message.find(part) != std::string::npos);
}

}  // namespace

TEST_CASE("Jsonl write: records become objects") {
  CHECK(lines_of({{{"a", std::int64_t{1}}, {"b", "x\n\"y\""}}, {}, {{"n", 1.0}, {"t", true}, {"z", {}}}}) ==
        "{\"a\":1,\"b\":\"x\\n\\\"y\\\"\"}\n{}\n{\"n\":1.0,\"t\":true,\"z\":null}\n");
  CHECK(lines_of({}).empty());
  CHECK(lines_of({{{"a.b", "x"}, {"a.c", {}}}}) == "{\"a.b\":\"x\",\"a.c\":null}\n");
}

TEST_CASE("Jsonl write: dotted names become inner objects") {
  jsonl::WriteParamsT params;
  params.nested = true;
  CHECK(lines_of({{{"a.b.c", "x"}, {"d", true}, {"a.e", {}}, {"a.b.f", std::int64_t{2}}, {"", ""}}}, params) ==
        "{\"a\":{\"b\":{\"c\":\"x\",\"f\":2},\"e\":null},\"d\":true,\"\":\"\"}\n");
  CHECK(lines_of({{}}, params) == "{}\n");
  const TemporaryDirectory directory;
  params.path = (directory / "x.jsonl").string();
  check_line_refused({{}, {{"a", "x"}, {"a.b", "y"}}}, params,
                     "x.jsonl', item 2: has the field 'a.b', which is an object and a value at once");
  check_line_refused({{{"a.b", "x"}, {"a", "y"}}}, params, "item 1: has the field 'a', which is an object and a value");
  check_line_refused({{{"a.b", "x"}, {"a.b", "y"}}}, params, "item 1: has the field 'a.b' twice");
  std::string deep = "a";
  for (int i = 0; i < 100; ++i) {
    deep += ".a";
  }
  check_line_refused({{{deep, "x"}}}, params, "is nested more than 64 levels deep");
  CHECK(entries_in(directory.path()) == 0);
}

TEST_CASE("Jsonl write: the deepest object that is written can be read") {
  std::string deep = "a";
  for (int i = 1; i < 64; ++i) {
    deep += ".a";
  }
  const TemporaryDirectory directory;
  auto params = into_lines(directory / "x.jsonl");
  params.nested = true;
  Worker worker;
  REQUIRE(write_rows(worker, {{{deep, "x"}}}, params).ok());
  Session session = worker.open("read", file_at(directory / "x.jsonl"));
  CHECK(rows_to_end(session) == std::vector<Row>{{{deep, "x"}}});
}

TEST_CASE("Jsonl write: numbers that are not finite") {
  const TemporaryDirectory directory;
  auto params = into_lines(directory / "x.jsonl");
  check_line_refused({{{"a", std::numeric_limits<double>::quiet_NaN()}}}, params,
                     "item 1: the field 'a' is infinite or not a number, which JSON cannot express");
  params.skip_broken = true;
  Worker worker;
  REQUIRE(write_rows(worker, {{{"a", std::numeric_limits<double>::infinity()}}, {{"a", 2.5}}}, params).ok());
  CHECK(read_text(directory / "x.jsonl") == "{\"a\":2.5}\n");
  jsonl::WriteParamsT nulls;
  nulls.null_for_not_finite = true;
  CHECK(lines_of({{{"a", std::numeric_limits<double>::quiet_NaN()}}}, nulls) == "{\"a\":null}\n");
}

TEST_CASE("Jsonl write: replace, append and refuse") {
  const TemporaryDirectory directory;
  const fs::path path = directory / "new/x.jsonl";
  write_text(path, "{\"a\":0}");
  Worker worker;
  CHECK(write_rows(worker, {{{"a", std::int64_t{1}}}}, into_lines(path, jsonl::Existing::append)).ok());
  CHECK(read_text(path) == "{\"a\":0}\n{\"a\":1}\n");
  CHECK(write_rows(worker, {{{"a", "x"}}}, into_lines(path, jsonl::Existing::refuse)).status == TENON_IO);
  CHECK(write_rows(worker, {{{"a", "x"}}}, into_lines(path)).ok());
  CHECK(read_text(path) == "{\"a\":\"x\"}\n");
  CHECK(entries_in(directory / "new") == 1);
  check_line_refused({}, {}, "`path` is missing");
}

TEST_CASE("Jsonl write: a session continues from a checkpoint") {
  for (const char* name : {"x.jsonl", "x.jsonl.zst"}) {
    const TemporaryDirectory directory;
    Worker worker;
    Session first = worker.open("write", {}, into_lines(directory / name));
    REQUIRE(first.take(record_of({{"a", std::int64_t{1}}})).ok());
    const Block checkpoint = first.checkpoint();
    REQUIRE(first.take(record_of({{"a", std::int64_t{2}}})).ok());
    Session second = worker.open("write", {}, into_lines(directory / name), checkpoint);
    first.close();
    REQUIRE(second.take(record_of({{"a", std::int64_t{3}}})).ok());
    REQUIRE(second.finish().ok());
    Session reading = worker.open("read", file_at(directory / name));
    CHECK(rows_to_end(reading) == std::vector<Row>{{{"a", std::int64_t{1}}}, {{"a", std::int64_t{3}}}});
    CHECK(entries_in(directory.path()) == 1);
  }
}

TEST_CASE("Jsonl write: random records are the same when they are read, nested ones too") {
  const TemporaryDirectory directory;
  Worker worker;
  for (std::uint32_t seed = 0; seed < 300; ++seed) {
    RandomRows random(seed);
    const bool nested = seed % 2 == 1;
    std::vector<Row> rows(random.below(12));
    for (Row& row : rows) {
      for (std::size_t i = random.below(7); i > 0; --i) {
        std::string name = random.text();
        if (nested) {
          // Fields of one object stand together; every name is a value or an object, not both.
          std::replace(name.begin(), name.end(), '.', '_');
          name = (i % 2 == 0 ? "o." : "p" + std::to_string(i) + ".q.") + std::to_string(i) + name;
        }
        row.emplace_back(std::move(name), random.cell());
      }
      std::stable_sort(row.begin(), row.end(),
                       [](const auto& a, const auto& b) { return a.first.substr(0, 2) < b.first.substr(0, 2); });
    }
    static constexpr const char* kNames[] = {"x.jsonl", "x.jsonl.gz", "x.jsonl.zst"};
    auto params = into_lines(directory / kNames[random.below(3)]);
    params.nested = nested;
    INFO("seed " << seed);
    const Outcome outcome = write_rows(worker, rows, params);
    INFO(outcome.message);
    REQUIRE(outcome.ok());
    Session session = worker.open("read", file_at(params.path));
    const auto read = rows_to_end(session);
    CHECK((read.size() == rows.size() && std::equal(rows.begin(), rows.end(), read.begin(), same)));
  }
}

TEST_CASE("Jsonl write: each line is JSON for another parser too") {
  RandomRows random(1);
  std::vector<Row> rows(200);
  for (Row& row : rows) {
    row = {{"t", random.text()}, {"n", random.number()}};
  }
  const std::string text = lines_of(rows);
  std::size_t at = 0;
  for (const Row& row : rows) {
    const std::size_t end = text.find('\n', at);
    const auto parsed = nlohmann::json::parse(text.substr(at, end - at));
    CHECK(parsed.at("t").get<std::string>() == std::get<std::string>(row[0].second));
    CHECK(parsed.at("n").get<double>() == std::get<double>(row[1].second));
    at = end + 1;
  }
}
