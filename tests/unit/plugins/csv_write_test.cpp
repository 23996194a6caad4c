#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <limits>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <tenon/plugin_test.hpp>

#include "common/content.hpp"
#include "common/new_file.hpp"
#include "common/text_reader.hpp"
#include "csv_generated.h"
#include "obstacles.hpp"
#include "packed.hpp"
#include "rows.hpp"
#include "support.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/temporary_directory.hpp"

using tenon::test::Block;
using tenon::test::die_at;
using tenon::test::End;
using tenon::test::entries_in;
using tenon::test::file_at;
using tenon::test::FileSizeLimit;
using tenon::test::Outcome;
using tenon::test::parts_in;
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
using Names = std::vector<std::string>;

csv::WriteParamsT to(const fs::path& path, csv::Existing existing = csv::Existing::replace) {
  csv::WriteParamsT params;
  params.path = path.string();
  params.existing = existing;
  return params;
}

Row pair_of(std::int64_t a, const std::string& b) {
  return {{"a", a}, {"b", b}};
}

std::string unpacked(const fs::path& path) {
  tenon::plugins::Content content(path.string());
  tenon::plugins::TextReader reader(content, UINT64_MAX);
  std::string text;
  std::vector<std::uint8_t> buffer(1000);
  while (const std::size_t count = reader.read(buffer)) {
    text.append(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(count));
  }
  return text;
}

/// The text that rows become.
std::string text_of(const std::vector<Row>& rows, csv::WriteParamsT params = {}) {
  const TemporaryDirectory directory;
  params.path = (directory / "x.csv").string();
  Worker worker;
  const Outcome outcome = write_rows(worker, rows, params);
  INFO(outcome.message);
  REQUIRE(outcome.ok());
  CHECK(entries_in(directory.path()) == 1);
  return read_text(directory / "x.csv");
}

void check_refused(const std::vector<Row>& rows, const csv::WriteParamsT& params, tenon_status_t code,
                   const std::string& part) {
  Worker worker;
  const Outcome outcome = write_rows(worker, rows, params);
  INFO(outcome.message);
  CHECK(outcome.status == code);
  CHECK(outcome.message.find(part) != std::string::npos);
}

}  // namespace

TEST_CASE("Csv write: the names of the first row are the header") {
  CHECK(text_of({pair_of(1, "x"), pair_of(-2, "y z")}) == "a,b\n1,x\n-2,y z\n");
  CHECK(text_of({{{"a", true}, {"b", 1.0}, {"c", {}}, {"d", 2.5e-7}}}) == "a,b,c,d\ntrue,1.0,,2.5e-07\n");
  CHECK(text_of({{{"b", "2"}, {"a", 1.5}}, {{"a", false}, {"b", ""}}}) == "b,a\n\"2\",1.5\n\"\",false\n");
  CHECK(text_of({}).empty());
}

TEST_CASE("Csv write: columns, line ends, separators and quotes from the params") {
  csv::WriteParamsT params;
  params.columns = {"b", "a"};
  CHECK(text_of({pair_of(1, "x")}, params) == "b,a\nx,1\n");
  CHECK(text_of({}, params) == "b,a\n");
  params.header = false;
  params.line_end = csv::LineEnd::crlf;
  params.separator = ";";
  params.quote = "'";
  CHECK(text_of({pair_of(1, "x;'y'"), pair_of(2, "a,\"b\"")}, params) == "'x;''y''';1\r\na,\"b\";2\r\n");
}

TEST_CASE("Csv write: a file named tsv has tabs, and is read so") {
  const TemporaryDirectory directory;
  for (const char* name : {"x.tsv", "x.tab.gz", "x.TSV.zst"}) {
    Worker worker;
    REQUIRE(write_rows(worker, {pair_of(1, "x,y"), pair_of(2, "a\tb")}, to(directory / name)).ok());
    CHECK(unpacked(directory / name) == "a\tb\n1\tx,y\n2\t\"a\tb\"\n");
    Session session = worker.open("read", file_at(directory / name));
    CHECK(rows_to_end(session) == std::vector<Row>{pair_of(1, "x,y"), pair_of(2, "a\tb")});
  }
}

TEST_CASE("Csv write: text that would read as another value has quotes") {
  const Row row{{"a", ""},    {"b", "12"},   {"c", "true"},  {"d", "1e5"}, {"e", "007"}, {"f", "x\ny"},
                {"g", "x\r"}, {"h", "a\"b"}, {"i", "False"}, {"j", " 1"},  {"k", "-"},   {"l", "\xEF\xBB\xBFx"},
                {"m", "NaN"}};
  const std::string text = text_of({row});
  CHECK(text.substr(text.find('\n') + 1) ==
        "\"\",\"12\",\"true\",\"1e5\",007,\"x\ny\",\"x\r\",\"a\"\"b\",\"False\", 1,-,\"\xEF\xBB\xBFx\",NaN\n");
}

TEST_CASE("Csv write: a row with other columns than the header is an error with item and column") {
  const TemporaryDirectory directory;
  const auto params = to(directory / "x.csv");
  check_refused({pair_of(1, "x"), {{"a", std::int64_t{2}}, {"c", "y"}}}, params, TENON_INVALID_ARGUMENT,
                "x.csv', item 2: has the field 'c', which is not a column");
  check_refused({pair_of(1, "x"), {{"b", "y"}}}, params, TENON_INVALID_ARGUMENT,
                "x.csv', item 2: has no field 'a', which is a column");
  check_refused({pair_of(1, "x"), {{"a", "y"}, {"b", "y"}, {"b", "z"}}}, params, TENON_INVALID_ARGUMENT,
                "x.csv', item 2: has the field 'b' twice");
  check_refused({{{"a", "x"}, {"a", "y"}}}, params, TENON_INVALID_ARGUMENT, "two columns have the name 'a'");
  check_refused({{}}, params, TENON_INVALID_ARGUMENT, "item 1: has no fields");
  CHECK(entries_in(directory.path()) == 0);
}

TEST_CASE("Csv write: rows with other columns can be filled, cut or skipped") {
  const std::vector<Row> rows{pair_of(1, "x"), {{"a", std::int64_t{2}}, {"c", "y"}}, {{"b", "z"}, {"a", false}}};
  csv::WriteParamsT params;
  params.drop_others = true;
  params.fill_missing = true;
  CHECK(text_of(rows, params) == "a,b\n1,x\n2,\nfalse,z\n");
  const TemporaryDirectory directory;
  auto skipping = to(directory / "x.csv");
  skipping.skip_broken = true;
  Worker worker;
  REQUIRE(write_rows(worker, rows, skipping).ok());
  CHECK(read_text(directory / "x.csv") == "a,b\n1,x\nfalse,z\n");
  REQUIRE(worker.logs.size() == 2);
  CHECK(worker.logs[0].find("item 2: has the field 'c'") != std::string::npos);
  CHECK(worker.logs[1].find("1 items were skipped") != std::string::npos);
}

TEST_CASE("Csv write: without quotes, text that needs them is broken") {
  const TemporaryDirectory directory;
  auto params = to(directory / "x.csv");
  params.quote = "none";
  check_refused({pair_of(1, "x,y")}, params, TENON_INVALID_ARGUMENT,
                "item 1: column 'b': contains a separator or a line break, which needs quotes; set `quote`");
  check_refused({{{"a", {}}}}, params, TENON_INVALID_ARGUMENT, "an empty line is not a row");
  CHECK(text_of({{{"a", {}}}, {{"a", ""}}}) == "a\n\"\"\n\"\"\n");
}

TEST_CASE("Csv write: params that cannot be met") {
  const TemporaryDirectory directory;
  fs::create_directory(directory / "dir");
  fs::create_symlink("nowhere", directory / "link");
  REQUIRE(::mkfifo((directory / "fifo").c_str(), 0600) == 0);
  check_refused({}, to(""), TENON_INVALID_ARGUMENT, "`path` is missing");
  check_refused({}, to(directory / "dir"), TENON_INVALID_ARGUMENT, "is a directory; add the name of a file");
  check_refused({}, to(directory / "dir/"), TENON_INVALID_ARGUMENT, "names a directory");
  check_refused({}, to(directory / "fifo"), TENON_INVALID_ARGUMENT, "is not a regular file");
  check_refused({}, to(directory / "link"), TENON_NOT_FOUND, "the link cannot be followed");
  check_refused({}, to("/proc/no/x.csv"), TENON_NOT_FOUND, "the directory cannot be created");
  auto params = to(directory / "x.csv");
  params.separator = "5";
  check_refused({}, params, TENON_INVALID_ARGUMENT, "`separator` '5': occurs in numbers");
  params.separator = "\"";
  check_refused({}, params, TENON_INVALID_ARGUMENT, "are the same character");
  params.separator = "";
  params.columns = {"a", "a"};
  check_refused({}, params, TENON_INVALID_ARGUMENT, "two columns have the name 'a'");
  CHECK(entries_in(directory.path()) == 3);
}

TEST_CASE("Csv write: replace, append and refuse") {
  const TemporaryDirectory directory;
  const fs::path path = directory / "new/x.csv";
  Worker worker;
  const Outcome written = write_rows(worker, {pair_of(1, "x")}, to(path, csv::Existing::refuse));
  CHECK(written.as<tenon::File>().path()->str() == path.string());
  CHECK(written.as<tenon::File>().size_bytes() == 8);
  CHECK(written.as<tenon::File>().extension()->str() == "csv");
  CHECK(written.as<tenon::File>().mode() == 0644);
  check_refused({pair_of(2, "y")}, to(path, csv::Existing::refuse), TENON_IO, "exists already");
  fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
  CHECK(write_rows(worker, {pair_of(2, "y")}, to(path, csv::Existing::append)).ok());
  CHECK(read_text(path) == "a,b\n1,x\n2,y\n");
  fs::create_symlink("x.csv", directory / "new/link");
  CHECK(write_rows(worker, {pair_of(3, "z")}, to(directory / "new/link")).as<tenon::File>().mode() == 0600);
  CHECK(read_text(path) == "a,b\n3,z\n");
  CHECK(fs::is_symlink(directory / "new/link"));
  CHECK(write_rows(worker, {}, to(directory / "new/none.csv", csv::Existing::append)).ok());
  CHECK(write_rows(worker, {pair_of(4, "")}, to(directory / "new/none.csv", csv::Existing::append)).ok());
  CHECK(read_text(directory / "new/none.csv") == "a,b\n4,\"\"\n");
  CHECK(entries_in(directory / "new") == 3);
}

TEST_CASE("Csv write: what is appended fits what is there") {
  const TemporaryDirectory directory;
  const auto params = to(directory / "x.csv", csv::Existing::append);
  Worker worker;
  write_text(directory / "x.csv",
             "\xEF\xBB\xBF"
             "b,a\r\nx,1");
  CHECK(write_rows(worker, {pair_of(2, "y")}, params).ok());
  CHECK(read_text(directory / "x.csv") ==
        "\xEF\xBB\xBF"
        "b,a\r\nx,1\ny,2\n");
  check_refused({{{"a", "x"}}}, params, TENON_INVALID_ARGUMENT, "item 1: has no field 'b'");
  auto others = params;
  others.columns = {"a", "b"};
  check_refused({}, others, TENON_INVALID_ARGUMENT, "has the columns 'b', 'a' where `columns` names 'a', 'b'");
  others.header = false;
  CHECK(write_rows(worker, {pair_of(3, "z")}, others).ok());
  CHECK(read_text(directory / "x.csv").ends_with("y,2\n3,z\n"));
  others.columns = {"a"};
  check_refused({}, others, TENON_INVALID_ARGUMENT, "has 2 columns, but rows of 1 are to be appended: 'a'");
  write_text(directory / "broken.csv", "a,\"b\nx");
  check_refused({}, to(directory / "broken.csv", csv::Existing::append), TENON_CORRUPT, "its first row is broken");
  write_text(directory / "x.csv.gz", "a,b\n");
  check_refused({}, to(directory / "x.csv.gz", csv::Existing::append), TENON_INVALID_ARGUMENT,
                "is plain text, and its name is that of a gzip file");
  write_text(directory / "cut.csv.gz", tenon::test::gzip("a,b\n1,x\n").substr(0, 20));
  check_refused({}, to(directory / "cut.csv.gz", csv::Existing::append), TENON_CORRUPT, "ends too early");
}

TEST_CASE("Csv write: what is appended to a file without a row starts with the header") {
  for (const char* name : {"x.csv", "x.csv.gz", "x.csv.zst"}) {
    for (const bool columns : {false, true}) {
      for (const bool moved : {false, true}) {
        INFO(name << ", columns " << columns << ", moved " << moved);
        const TemporaryDirectory directory;
        const fs::path path = directory / name;
        auto params = to(path, csv::Existing::append);
        Worker worker;
        REQUIRE(write_rows(worker, {}, params).ok());
        if (columns) {
          params.columns = {"b", "a"};
        }
        Session old = worker.open("write", {}, params);
        Session session = worker.open("write", {}, params, moved ? old.checkpoint() : Block());
        REQUIRE(session.opened().ok());
        old.close();
        REQUIRE(session.take(record_of(pair_of(1, "x"))).ok());
        REQUIRE(session.finish().ok());
        session.close();
        REQUIRE(write_rows(worker, {pair_of(2, "y")}, params).ok());
        CHECK(unpacked(path) == (columns ? "b,a\nx,1\ny,2\n" : "a,b\n1,x\n2,y\n"));
        Session reading = worker.open("read", file_at(path));
        CHECK(rows_to_end(reading).size() == 2);
      }
    }
  }
  for (const std::string text : {"\n", "\r\n\n", "\xEF\xBB\xBF", "\xEF\xBB\xBF\n"}) {
    const TemporaryDirectory directory;
    write_text(directory / "x.csv", text);
    Worker worker;
    REQUIRE(write_rows(worker, {pair_of(1, "x")}, to(directory / "x.csv", csv::Existing::append)).ok());
    Session reading = worker.open("read", file_at(directory / "x.csv"));
    CHECK(rows_to_end(reading) == std::vector<Row>{pair_of(1, "x")});
    write_text(directory / "x.csv", text);
    auto bare = to(directory / "x.csv", csv::Existing::append);
    bare.header = false;
    REQUIRE(write_rows(worker, {pair_of(1, "x")}, bare).ok());
    CHECK(read_text(directory / "x.csv").ends_with("\n1,x\n"));
  }
}

TEST_CASE("Csv write: the width of a file without a header applies after a move") {
  const TemporaryDirectory directory;
  write_text(directory / "x.csv", "1,x\n");
  auto params = to(directory / "x.csv", csv::Existing::append);
  params.header = false;
  Worker worker;
  Session old = worker.open("write", {}, params);
  const Block checkpoint = old.checkpoint();
  Session session = worker.open("write", {}, params, checkpoint);
  REQUIRE(session.opened().ok());
  old.close();
  const Outcome outcome = session.take(record_of({{"a", "y"}}));
  CHECK(outcome.status == TENON_INVALID_ARGUMENT);
  CHECK(outcome.message.find("has 2 columns, but rows of 1 are to be appended") != std::string::npos);
}

TEST_CASE("Csv write: first rows after which no columns can be named are skipped too") {
  const TemporaryDirectory directory;
  auto params = to(directory / "x.csv");
  params.skip_broken = true;
  params.quote = "none";
  const std::vector<Row> rows{{}, {{"a", "x"}, {"a", "y"}}, {{"a", "x"}, {"b,c", "y"}}, pair_of(1, "x")};
  Worker worker;
  const Outcome outcome = write_rows(worker, rows, params);
  INFO(outcome.message);
  REQUIRE(outcome.ok());
  CHECK(read_text(directory / "x.csv") == "a,b\n1,x\n");
  REQUIRE(worker.logs.size() == 4);
  CHECK(worker.logs[0].find("item 1: has no fields to name the columns after") != std::string::npos);
  CHECK(worker.logs[1].find("item 2: two columns have the name 'a'") != std::string::npos);
  CHECK(worker.logs[2].find("item 3: the column 'b,c' contains a separator") != std::string::npos);
  CHECK(worker.logs[3].find("3 items were skipped") != std::string::npos);
  // Rows that do not have the width of the file to which they are appended.
  params.existing = csv::Existing::append;
  params.header = false;
  Worker other;
  REQUIRE(write_rows(other, {{{"a", "x"}}, pair_of(2, "y")}, params).ok());
  CHECK(read_text(directory / "x.csv") == "a,b\n1,x\n2,y\n");
}

TEST_CASE("Csv write: a file that changes while rows are appended to its copy keeps the change") {
  const TemporaryDirectory directory;
  write_text(directory / "x.csv", "a,b\n1,x\n");
  Worker worker;
  Session session = worker.open("write", {}, to(directory / "x.csv", csv::Existing::append));
  REQUIRE(session.take(record_of(pair_of(2, "y"))).ok());
  write_text(directory / "x.csv", "a,b\n1,other\n");
  const Outcome outcome = session.finish();
  CHECK(outcome.status == TENON_FAILED);
  CHECK(outcome.message.find("was changed by another program") != std::string::npos);
  session.close();
  CHECK(read_text(directory / "x.csv") == "a,b\n1,other\n");
  CHECK(entries_in(directory.path()) == 1);
}

TEST_CASE("Csv write: packed files, also without rows, appended to, and with checkpoints in between") {
  for (const char* name : {"x.csv.gz", "x.csv.zst"}) {
    INFO(name);
    const TemporaryDirectory directory;
    const fs::path path = directory / name;
    Worker worker;
    REQUIRE(write_rows(worker, {}, to(path)).ok());
    CHECK(fs::file_size(path) > 0);
    CHECK(unpacked(path).empty());
    Session session = worker.open("write", {}, to(path));
    std::string text = "a,b\n";
    for (int i = 0; i < 3000; ++i) {
      const std::string value(static_cast<std::size_t>(i % 300) + 1, 'v');
      REQUIRE(session.take(record_of(pair_of(i, value))).ok());
      text += std::to_string(i) + "," + value + "\n";
      if (i % 1000 == 0) {
        REQUIRE(session.try_checkpoint().ok());
      }
    }
    REQUIRE(session.finish().ok());
    CHECK(unpacked(path) == text);
    CHECK(fs::file_size(path) < text.size() / 4);
    REQUIRE(write_rows(worker, {pair_of(1, "x")}, to(path, csv::Existing::append)).ok());
    CHECK(unpacked(path) == text + "1,x\n");
    CHECK(entries_in(directory.path()) == 1);
  }
}

TEST_CASE("Csv write: random rows are the same when they are read") {
  const TemporaryDirectory directory;
  Worker worker;
  for (std::uint32_t seed = 0; seed < 300; ++seed) {
    RandomRows random(seed);
    Names names;
    std::set<std::string> known;
    for (std::size_t columns = 2 + random.below(5); names.size() < columns;) {
      if (const std::string name = random.text(); known.insert(name).second) {
        names.push_back(name);
      }
    }
    std::vector<Row> rows(random.below(12));
    for (Row& row : rows) {
      for (const std::string& name : names) {
        row.emplace_back(name, random.cell());
      }
    }
    static constexpr const char* kSeparators[] = {"", ";", "\t", "|"};
    static constexpr const char* kNames[] = {"x.csv", "x.csv.gz", "x.csv.zst"};
    auto params = to(directory / kNames[random.below(3)]);
    params.separator = kSeparators[random.below(4)];
    params.line_end = random.below(2) == 0 ? csv::LineEnd::lf : csv::LineEnd::crlf;
    INFO("seed " << seed);
    const Outcome outcome = write_rows(worker, rows, params);
    INFO(outcome.message);
    REQUIRE(outcome.ok());
    csv::ReadParamsT reading;
    reading.separator = params.separator;
    Session session = worker.open("read", file_at(params.path), reading);
    const auto read = rows_to_end(session);
    INFO(unpacked(params.path));
    CHECK((read.size() == rows.size() && std::equal(rows.begin(), rows.end(), read.begin(), same)));
  }
}

TEST_CASE("Csv write: numbers that are not finite are read in a column of numbers") {
  const TemporaryDirectory directory;
  const double infinity = std::numeric_limits<double>::infinity();
  const std::vector<Row> rows{{{"n", std::numeric_limits<double>::quiet_NaN()}, {"t", "x"}},
                              {{"n", infinity}, {"t", "NaN"}},
                              {{"n", -infinity}, {"t", "-Infinity"}},
                              {{"n", {}}, {"t", {}}}};
  Worker worker;
  REQUIRE(write_rows(worker, rows, to(directory / "x.csv")).ok());
  CHECK(read_text(directory / "x.csv") == "n,t\nNaN,x\nInfinity,NaN\n-Infinity,-Infinity\n,\n");
  csv::ReadParamsT params;
  params.types.push_back(std::make_unique<csv::ColumnTypeT>());
  params.types.back()->name = "n";
  params.types.back()->type = csv::Type::number;
  Session session = worker.open("read", file_at(directory / "x.csv"), params);
  const auto read = rows_to_end(session);
  CHECK((read.size() == rows.size() && std::equal(rows.begin(), rows.end(), read.begin(), same)));
}

TEST_CASE("Csv write: a full disk is an error that leaves the old file, whenever it is noticed") {
  const TemporaryDirectory directory;
  write_text(directory / "x.csv", "old");
  for (const bool checkpoint : {false, true}) {
    Worker worker;
    Outcome outcome;
    {
      const FileSizeLimit limit(1000);
      Session session = worker.open("write", {}, to(directory / "x.csv"));
      REQUIRE(session.take(record_of(pair_of(1, std::string(2000, 'x')))).ok());
      if (checkpoint) {
        CHECK(session.try_checkpoint().status == TENON_IO);
      }
      outcome = session.finish();
    }
    CHECK(outcome.status == TENON_IO);
    CHECK(outcome.message.find((directory / "x.csv").string() + "': cannot be written: File too large") !=
          std::string::npos);
    CHECK(read_text(directory / "x.csv") == "old");
    CHECK(entries_in(directory.path()) == 1);
  }
}

TEST_CASE("Csv write: a session that is moved continues, and the old one removes nothing") {
  const TemporaryDirectory directory;
  Worker worker;
  Session old = worker.open("write", {}, to(directory / "x.csv"));
  REQUIRE(old.take(record_of(pair_of(1, "x"))).ok());
  const Block checkpoint = old.checkpoint();
  Session session = worker.open("write", {}, to(directory / "x.csv"), checkpoint);
  REQUIRE(session.opened().ok());
  old.close();
  REQUIRE(session.take(record_of(pair_of(2, "y"))).ok());
  // Its worker died before another checkpoint.
  Session third = worker.open("write", {}, to(directory / "x.csv"), checkpoint);
  INFO(third.opened().message);
  REQUIRE(third.opened().ok());
  session.close();
  REQUIRE(third.take(record_of(pair_of(2, "y"))).ok());
  REQUIRE(third.finish().ok());
  CHECK(read_text(directory / "x.csv") == "a,b\n1,x\n2,y\n");
  CHECK(entries_in(directory.path()) == 1);
}

TEST_CASE("Csv write: an unfinished file that is gone is an error") {
  const TemporaryDirectory directory;
  Worker worker;
  Block checkpoint;
  {
    Session session = worker.open("write", {}, to(directory / "x.csv"));
    REQUIRE(session.take(record_of(pair_of(1, "x"))).ok());
    checkpoint = session.checkpoint();
    CHECK(parts_in(directory.path()).size() == 1);
  }
  CHECK(entries_in(directory.path()) == 0);
  const Session session = worker.open("write", {}, to(directory / "x.csv"), checkpoint);
  CHECK(session.opened().status == TENON_FAILED);
  CHECK(session.opened().message.find("were removed by another program; run again") != std::string::npos);
}

namespace {

/// Checkpoints that a child has given before it died: how many rows each counts, and its bytes.
class Ledger {
 public:
  explicit Ledger(fs::path path) : path_(std::move(path)) {}
  void add(std::uint64_t rows, const Block& checkpoint) const {
    const int file = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    std::string bytes(reinterpret_cast<const char*>(&rows), sizeof(rows));
    bytes.append(checkpoint.span().begin(), checkpoint.span().end());
    const fs::path renamed = path_.string() + "-whole";
    if (::write(file, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
      ::_exit(78);
    }
    ::close(file);
    ::rename(path_.c_str(), renamed.c_str());
  }
  /// The last one; no rows and no bytes if there is none.
  [[nodiscard]] std::pair<std::uint64_t, Block> last() const {
    const std::string bytes = read_text(path_.string() + "-whole");
    std::uint64_t rows = 0;
    if (bytes.size() < sizeof(rows)) {
      return {0, Block()};
    }
    std::memcpy(&rows, bytes.data(), sizeof(rows));
    const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.data());
    return {rows, Block(std::span(data + sizeof(rows), bytes.size() - sizeof(rows)))};
  }

 private:
  fs::path path_;
};

std::vector<Row> six_rows() {
  std::vector<Row> rows;
  for (int i = 0; i < 6; ++i) {
    rows.push_back(pair_of(i, std::string(50, static_cast<char>('a' + i))));
  }
  return rows;
}

void write_six(const csv::WriteParamsT& params, const Ledger& ledger) {
  const auto rows = six_rows();
  Worker worker;
  Session session = worker.open("write", {}, params);
  ledger.add(0, session.checkpoint());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    session.take(record_of(rows[i]));
    if (i == 2) {
      ledger.add(3, session.checkpoint());
    }
  }
  session.finish();
}

}  // namespace

TEST_CASE("Csv write: after a death at any system call each row is there once, and nothing beside the file") {
  const std::string before = "a,b\n0,before\n";
  struct Case {
    const char* name;
    csv::Existing existing;
    bool exists;
  };
  for (const Case& now : {Case{"x.csv", csv::Existing::replace, false}, Case{"x.csv", csv::Existing::replace, true},
                          Case{"x.csv", csv::Existing::append, true}, Case{"x.csv.gz", csv::Existing::append, true},
                          Case{"x.csv", csv::Existing::refuse, false}}) {
    std::string expected = now.existing == csv::Existing::append ? before : "a,b\n";
    for (const Row& row : six_rows()) {
      expected +=
          std::to_string(std::get<std::int64_t>(row[0].second)) + "," + std::get<std::string>(row[1].second) + "\n";
    }
    int deaths = 0;
    int resumed = 0;
    for (int stop = 0;; ++stop) {
      INFO("stop " << stop << ", " << now.name << ", existing " << static_cast<int>(now.existing));
      const TemporaryDirectory directory;
      const TemporaryDirectory notes;
      const fs::path path = directory / now.name;
      if (now.exists) {
        write_text(path, path.extension() == ".gz" ? tenon::test::gzip(before) : before);
      }
      const Ledger ledger(notes / "checkpoint");
      const End end = die_at(stop, [&] { write_six(to(path, now.existing), ledger); });
      if (end == End::kCannotTrace) {
        WARN("skipped: children cannot be traced here");
        return;
      }
      const auto [taken, checkpoint] = ledger.last();
      const auto rows = six_rows();
      Worker worker;
      Session session = worker.open("write", {}, to(path, now.existing), checkpoint);
      INFO(session.opened().message);
      REQUIRE(session.opened().ok());
      for (std::size_t i = taken; i < rows.size(); ++i) {
        const Outcome outcome = session.take(record_of(rows[i]));
        INFO(outcome.message);
        REQUIRE(outcome.ok());
      }
      const Outcome outcome = session.finish();
      INFO(outcome.message);
      REQUIRE(outcome.ok());
      session.close();
      CHECK(unpacked(path) == expected);
      CHECK(entries_in(directory.path()) == 1);
      resumed += taken != 0 ? 1 : 0;
      if (end == End::kFinished) {
        break;
      }
      ++deaths;
    }
    CHECK(deaths > 50);
    CHECK(resumed > 10);
  }
}

TEST_CASE("Csv write: what a dead worker left is kept for its host and removed after the host's death") {
  const TemporaryDirectory directory;
  int ready[2];
  int leave[2];
  REQUIRE(::pipe2(ready, O_CLOEXEC) == 0);
  REQUIRE(::pipe2(leave, O_CLOEXEC) == 0);
  const pid_t host = ::fork();
  if (host == 0) {
    const pid_t dying = ::fork();
    if (dying == 0) {
      Worker worker;
      Session session = worker.open("write", {}, to(directory / "x.csv"));
      session.take(record_of(pair_of(1, "x")));
      session.checkpoint();
      ::raise(SIGKILL);
    }
    ::waitpid(dying, nullptr, 0);
    char byte = 0;
    static_cast<void>(!::write(ready[1], &byte, 1));
    static_cast<void>(!::read(leave[0], &byte, 1));
    ::_exit(0);
  }
  char byte = 0;
  REQUIRE(::read(ready[0], &byte, 1) == 1);
  CHECK(parts_in(directory.path()).size() == 1);
  Worker worker;
  REQUIRE(write_rows(worker, {}, to(directory / "y.csv")).ok());
  CHECK(parts_in(directory.path()).size() == 1);
  REQUIRE(::write(leave[1], &byte, 1) == 1);
  ::waitpid(host, nullptr, 0);
  REQUIRE(write_rows(worker, {}, to(directory / "y.csv")).ok());
  CHECK(parts_in(directory.path()).empty());
  CHECK(entries_in(directory.path()) == 1);
  for (const int end : {ready[0], ready[1], leave[0], leave[1]}) {
    ::close(end);
  }
}

TEST_CASE("NewFile: a file that always had a name can be kept and taken over") {
  const TemporaryDirectory directory;
  const tenon::plugins::FileDescriptor at(::open(directory.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  tenon::plugins::NewFile file(at.get());
  REQUIRE(file.create(tenon::plugins::NewFile::Names::kUse) == 0);
  REQUIRE(file.keep_for_later() == 0);
  REQUIRE(file.keep_for_later() == 0);
  struct stat status {};
  REQUIRE(::fstat(file.get(), &status) == 0);
  tenon::plugins::sweep_parts(at.get());
  CHECK(parts_in(directory.path()) == Names{file.hidden_name()});
  tenon::plugins::NewFile other(at.get());
  CHECK(other.take_over("x", status.st_dev, status.st_ino + 1) == ENOENT);
  REQUIRE(other.take_over(file.hidden_name(), status.st_dev, status.st_ino) == 0);
  CHECK(parts_in(directory.path()) == Names{other.hidden_name()});
  CHECK(other.keep_as("done") == 0);
  CHECK(entries_in(directory.path()) == 1);
}
