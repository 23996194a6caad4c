#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <tenon/plugin_test.hpp>

#include "records.hpp"
#include "sql_generated.h"
#include "sqlite.hpp"
#include "support.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/temporary_directory.hpp"

using tenon::test::Block;
using tenon::test::check_sql_error;
using tenon::test::Outcome;
using tenon::test::record;
using tenon::test::records_of;
using tenon::test::Session;
using tenon::test::Sqlite;
using tenon::test::TemporaryDirectory;
using tenon::test::Worker;
using tenon::test::write_text;

namespace {

using Lines = std::vector<std::string>;

/// A database in a directory of its own, and queries of it.
struct QueryTest {
  TemporaryDirectory directory;
  std::filesystem::path path = directory / "x.db";
  Sqlite database{path};
  Worker worker;

  sql::QueryParamsT params(const std::string& statement, std::vector<std::string> key = {}) const {
    sql::QueryParamsT params;
    params.database = path.string();
    params.statement = statement;
    params.key = std::move(key);
    params.busy_timeout_ms = 50;
    return params;
  }
  Session open(const sql::QueryParamsT& params, const Block& argument = record({}), const Block& checkpoint = {}) {
    return worker.open("query", argument, params, checkpoint);
  }
  Lines lines(const sql::QueryParamsT& params, const Block& argument = record({})) {
    Session session = open(params, argument);
    return records_of(session);
  }
  /// The error that ends a query.
  Outcome error(const sql::QueryParamsT& params, const Block& argument = record({})) {
    Session session = open(params, argument);
    for (;;) {
      Outcome outcome = session.step(100);
      REQUIRE(outcome.status != TENON_END);
      if (!outcome.ok()) {
        return outcome;
      }
    }
  }
  void check_query_error(const std::string& statement, tenon_status_t code, const std::string& part) {
    check_sql_error(error(params(statement)), code, part);
  }
};

/// Lets writes to temporary files fail as on a full disk, for all connections that are opened during its lifetime.
class FullTemporaryDisk {
 public:
  FullTemporaryDisk() : vfs_(*::sqlite3_vfs_find(nullptr)) {
    vfs_.zName = "full_temporary";
    vfs_.xOpen = [](sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out) {
      sqlite3_vfs* const real = ::sqlite3_vfs_find("unix");
      vfs->pAppData = real->pAppData;
      const int code = real->xOpen(vfs, name, file, flags, out);
      if (code == SQLITE_OK && (flags & SQLITE_OPEN_DELETEONCLOSE) != 0) {
        methods = *file->pMethods;
        methods.xWrite = [](sqlite3_file*, const void*, int, sqlite3_int64) { return SQLITE_FULL; };
        file->pMethods = &methods;
      }
      return code;
    };
    REQUIRE(::sqlite3_vfs_register(&vfs_, 1) == SQLITE_OK);
  }
  FullTemporaryDisk(const FullTemporaryDisk&) = delete;
  FullTemporaryDisk& operator=(const FullTemporaryDisk&) = delete;
  ~FullTemporaryDisk() {
    ::sqlite3_vfs_unregister(&vfs_);
    ::sqlite3_vfs_register(::sqlite3_vfs_find("unix"), 1);
  }

 private:
  static inline sqlite3_io_methods methods{};
  sqlite3_vfs vfs_;
};

std::unique_ptr<sql::ValueT> text_value(const std::string& name, const std::string& text) {
  auto value = std::make_unique<sql::ValueT>();
  value->name = name;
  value->text = text;
  return value;
}

}  // namespace

TEST_CASE_METHOD(QueryTest, "SqlQuery: values of all types become a record") {
  database.run("create table t (i integer, r real, s text, b blob, n)");
  database.run("insert into t values (-9223372036854775808, 0.5, 'K\xC3\xB6ln \xFF', x'00ff41', null)");
  Session session = open(params("select * from t"));
  const Outcome outcome = session.step(10);
  REQUIRE(outcome.results.size() == 1);
  const auto& fields = *outcome.results.front().as<tenon::Record>().fields();
  REQUIRE(fields.size() == 5);
  CHECK(fields[0]->name()->str() == "i");
  CHECK(fields[0]->value_as_IntValue()->value() == INT64_MIN);
  CHECK(fields[1]->value_as_FloatValue()->value() == 0.5);
  CHECK(fields[2]->value_as_TextValue()->value()->str() == "K\xC3\xB6ln \xFF");
  CHECK(fields[3]->value_as_TextValue()->value()->str() == std::string("\0\xFF"
                                                                       "A",
                                                                       3));
  CHECK(fields[4]->value_type() == tenon::Scalar::NullValue);
}

TEST_CASE_METHOD(QueryTest, "SqlQuery: a database in UTF-16 gives UTF-8") {
  database.run("pragma encoding = 'UTF-16le'; create table t (k text primary key, x integer)");
  database.run("insert into t values ('K\xC3\xB6ln', 1), ('Ulm', 2), ('\xC3\x84then', 3)");
  auto paged = params("select * from t where k <> :town", {"k"});
  paged.values.push_back(text_value("town", "\xC3\x84thiopien"));
  paged.page_rows = 1;
  CHECK(lines(paged) ==
        Lines{"{\"k\":\"K\xC3\xB6ln\",\"x\":1}", R"({"k":"Ulm","x":2})", "{\"k\":\"\xC3\x84then\",\"x\":3}"});
}

TEST_CASE_METHOD(QueryTest, "SqlQuery: pages of any size give the same rows in the order of the key") {
  database.run("create table t (a integer, b text, c text, primary key (a, b))");
  for (int i = 0; i < 40; ++i) {
    database.run("insert into t values (" + std::to_string(i * 7 % 5) + ", '" + std::to_string(i) + "', 'x')");
  }
  const Lines all = lines(params("select a, b from t order by a, b"));
  REQUIRE(all.size() == 40);
  for (const std::uint32_t rows : {1u, 2u, 7u, 39u, 40u, 41u, 1000u}) {
    auto paged = params("select a, b from t; -- all of them", {"a", "b"});
    paged.page_rows = rows;
    CHECK(lines(paged) == all);
  }
}

TEST_CASE_METHOD(QueryTest, "SqlQuery: keys of several types and of statements that compute") {
  database.run("create table t (k, x)");
  database.run("insert into t values (3, 1), (2.5, 2), ('3', 3), ('', 4), (x'00', 5), (x'', 6), (-1, 7)");
  auto paged = params("select k, x from t where x > 0", {"k"});
  paged.page_rows = 2;
  CHECK(lines(paged) == lines(params("select k, x from t order by k")));
  auto grouped = params("with w as (select x % 2 as odd, count(*) as n from t group by 1) select * from w", {"odd"});
  grouped.page_rows = 1;
  CHECK(lines(grouped) == Lines{R"({"odd":0,"n":3})", R"({"odd":1,"n":4})"});
}

TEST_CASE_METHOD(QueryTest, "SqlQuery: a checkpoint continues after the last row") {
  database.run("create table t (k text primary key, x integer)");
  for (int i = 0; i < 12; ++i) {
    database.run("insert into t values ('k" + std::to_string(10 + i) + "', " + std::to_string(i) + ")");
  }
  for (const bool keyed : {true, false}) {
    auto params = this->params("select * from t", keyed ? Lines{"k"} : Lines{});
    params.page_rows = 5;
    const Lines all = lines(params);
    for (std::uint32_t given = 0; given <= all.size(); ++given) {
      Session session = open(params);
      REQUIRE(session.step(given).results.size() == given);
      Session later = open(params, record({}), session.checkpoint());
      CHECK(records_of(later) == Lines(all.begin() + given, all.end()));
    }
  }
}

TEST_CASE_METHOD(QueryTest, "SqlQuery: after a loss without a key changed rows are an error") {
  database.run("create table t (x); insert into t values (1), (2), (3), (4)");
  const auto params = this->params("select x from t");
  for (const char* change : {"update t set x = 7 where x = 1", "delete from t where x > 1"}) {
    Session session = open(params);
    REQUIRE(session.step(3).results.size() == 3);
    const Block checkpoint = session.checkpoint();
    session.close();
    database.run(change);
    Session later = open(params, record({}), checkpoint);
    check_sql_error(later.step(10), TENON_FAILED, "its first 3 rows are not the same; set `key`");
  }
}

TEST_CASE_METHOD(QueryTest, "SqlQuery: with a key nothing is locked between two steps") {
  database.run("create table t (k integer primary key); insert into t values (1), (2), (3)");
  auto params = this->params("select k from t", {"k"});
  params.page_rows = 2;
  {
    Session session = open(params);
    REQUIRE(session.step(1).results.size() == 1);
    database.run("begin exclusive; insert into t values (4); delete from t where k <= 2; commit");
    // The first page was read before this. Its last row is gone, and the next page must still start at the right row.
    CHECK(records_of(session) == Lines{R"({"k":2})", R"({"k":3})", R"({"k":4})"});
  }
  Session locking = open(this->params("select k from t"));
  REQUIRE(locking.step(1).results.size() == 1);
  CHECK(database.try_run("begin exclusive") == SQLITE_BUSY);
  locking.close();
  CHECK(database.try_run("begin exclusive") == SQLITE_OK);
}

TEST_CASE_METHOD(QueryTest, "SqlQuery: a key that is null or not unique is an error") {
  database.run(
      "create table t (k text collate nocase, x); insert into t values ('a', 1), ('b', 2), ('b', 3), ('c', 4)");
  for (const std::uint32_t rows : {1u, 2u, 3u, 100u}) {
    auto params = this->params("select * from t", {"k"});
    params.page_rows = rows;
    const Outcome outcome = error(params);
    check_sql_error(outcome, TENON_INVALID_ARGUMENT, "row 3 (k = 'b'): its key is not unique");
  }
  database.run("delete from t; insert into t values ('a', 1), ('A', 2), ('b', 3)");
  auto params = this->params("select * from t", {"k"});
  params.page_rows = 1;
  check_sql_error(error(params), TENON_INVALID_ARGUMENT, "its key is not unique");
  database.run("delete from t; insert into t values ('a', 1), (null, 2)");
  check_sql_error(
      error(params), TENON_INVALID_ARGUMENT,
      "row 1 (k = null): the column 'k' of its key is null; leave such rows out with `where k is not null`");
  params.key = {"x", "nix"};
  check_sql_error(error(params), TENON_INVALID_ARGUMENT, "'nix', which the result does not have; there are: k, x");
}

TEST_CASE_METHOD(QueryTest, "SqlQuery: columns that change between two pages are an error") {
  for (const char* change : {"alter table t add column x", "alter table t drop column s",
                             "alter table t rename column s to q", "alter table t rename column r to \"tenon\""}) {
    database.run("drop table if exists t; create table t (k integer primary key, r, s)");
    database.run("insert into t values (1, 'a', 'b'), (2, 'c', 'd'), (3, 'e', 'f'), (4, 'g', 'h'), (5, 'i', 'j')");
    auto paged = params("select * from t", {"k"});
    paged.page_rows = 2;
    Session session = open(paged);
    REQUIRE(session.step(2).results.size() == 2);
    const Block checkpoint = session.checkpoint();
    database.run(change);
    check_sql_error(session.step(100), TENON_FAILED,
                    "x.db': the columns of the result changed after row 2: they were k, r, s, and are now k, ");
    session.close();
    Session later = open(paged, record({}), checkpoint);
    check_sql_error(later.step(100), TENON_FAILED, "the columns of the result have changed while the session was away");
  }
  // What does not change the columns is no error.
  auto paged = params("select * from t", {"k"});
  paged.page_rows = 2;
  Session session = open(paged);
  REQUIRE(session.step(2).results.size() == 2);
  database.run("create index i on t (s); create table other (x)");
  CHECK(records_of(session).size() == 3);
}

TEST_CASE_METHOD(QueryTest, "SqlQuery: keys of several statements are not converted") {
  database.run(
      "create table a (id integer primary key, x); insert into a (id) values (1), (2), (3), (4), (5);"
      "create table b (code text primary key); insert into b values ('1'), ('2'), ('3x'), ('9');"
      "create table c (id integer primary key, x); insert into c (id) values (6), (8), (7);"
      "create view v as select id as k from a union all select code from b");
  for (const char* statement :
       {"select id as k from a union all select code from b", "select code as k from b union all select id from a",
        "select k from v", "select id as k from a union select code from b",
        "select id as k from a union all select id from c",
        "with recursive w(k) as (select id from a where id = 1 union all select code from b, w where typeof(w.k) = "
        "'integer') "
        "select distinct k from w",
        "select k from (select id as k from a union all select code from b order by 1 limit 7)",
        "with w(k) as (values (cast(1 as integer)), ('0'), ('2')) select k from w",
        "with w(k) as (values (cast('1' as text)), (5), (7)) select k from w"}) {
    const Lines all = lines(params("select k from (" + std::string(statement) + ") order by k"));
    REQUIRE(all.size() >= 3);
    for (std::uint32_t rows = 1; rows <= all.size() + 1; ++rows) {
      auto paged = params(statement, {"k"});
      paged.page_rows = rows;
      INFO(statement << ", pages of " << rows);
      CHECK(lines(paged) == all);
    }
  }
  // Tables with an index of the same type are still read by it.
  worker.logs.clear();
  static_cast<void>(lines(params("select id as k from a union all select id from c", {"k"})));
  CHECK(worker.logs.empty());
}

TEST_CASE_METHOD(QueryTest, "SqlQuery: names of columns that differ only in case are the same") {
  database.run("create table t (x integer primary key, y); insert into t values (1, 5), (2, 4), (3, 3)");
  check_query_error("select x as a, y as A from t", TENON_INVALID_ARGUMENT,
                    "two columns of the result have the name 'A', in upper or lower case; rename one with `as`");
  auto paged = params("select x, y from t", {"X"});
  paged.page_rows = 1;
  CHECK(lines(paged).size() == 3);
}

TEST_CASE_METHOD(QueryTest, "SqlQuery: a page that must be sorted each time is a warning") {
  database.run("create table t (k integer primary key, x unique, y); insert into t values (1, 2, 3)");
  static_cast<void>(lines(params("select * from t where y = 3", {"k"})));
  static_cast<void>(lines(params("select * from t", {"x"})));
  CHECK(worker.logs.empty());
  static_cast<void>(lines(params("select * from t", {"y"})));
  REQUIRE(worker.logs.size() == 1);
  CHECK(worker.logs.front().find("create an index") != std::string::npos);
  static_cast<void>(lines(params("select * from t", {"y"})));
  CHECK(worker.logs.size() == 1);
  database.run("create index p on t (y)");
  static_cast<void>(lines(params("select y, x from t", {"y", "x"})));
  CHECK(worker.logs.size() == 2);
}

TEST_CASE_METHOD(QueryTest, "SqlQuery: parameters get values of the params and of the argument") {
  database.run("create table t (s text, i integer, r real); insert into t values ('a''; drop table t --', 1, 0.5)");
  const std::string statement = "select i from t where s = :s and i = @i and r = $r and :nothing is null";
  const Block argument =
      record({{"s", "a'; drop table t --"}, {"i", std::int64_t{1}}, {"r", 0.5}, {"nothing", nullptr}});
  CHECK(lines(params(statement), argument) == Lines{R"({"i":1})"});
  CHECK(lines(params(statement, {"i"}), argument) == Lines{R"({"i":1})"});
  auto valued = params(statement);
  valued.values.push_back(text_value("s", "b"));
  CHECK(lines(valued, argument).empty());
  valued.values.push_back(text_value("unused", "b"));
  check_sql_error(error(valued, argument), TENON_INVALID_ARGUMENT,
                  "`values` has 'unused', but the statement has no parameter of this name");
  valued.values.back()->name = "s";
  check_sql_error(error(valued, argument), TENON_INVALID_ARGUMENT, "`values` has 's' twice");
  valued.values.pop_back();
  valued.values.front()->integer = 5;
  check_sql_error(error(valued, argument), TENON_INVALID_ARGUMENT, "`values`: 's' has more than one value");
  check_sql_error(error(params(statement)), TENON_INVALID_ARGUMENT, "the parameter 's' of the statement has no value");
  check_query_error("select i from t where i = ?", TENON_INVALID_ARGUMENT, "write `:name` instead of `?`");
  check_query_error("select :a, ?7 from t", TENON_INVALID_ARGUMENT, "write `:name` instead of `?`");
}

TEST_CASE_METHOD(QueryTest, "SqlQuery: statements that cannot run say where and why") {
  database.run("create table t (a, b); insert into t values (1, 2)");
  check_query_error("select a,\n  b form t", TENON_INVALID_ARGUMENT,
                    "x.db': the statement is not valid, at its line 2, column 10 (byte 20): near \"t\": syntax error");
  check_query_error("select a from nix", TENON_INVALID_ARGUMENT, "no such table: nix");
  check_query_error("select nix from t", TENON_INVALID_ARGUMENT, "line 1, column 8 (byte 8): no such column: nix");
  // A newer SQLite sets the name in quotes.
  auto unknown = error(params("select a from t where b = \"typo\""));
  std::erase(unknown.message, '"');
  check_sql_error(unknown, TENON_INVALID_ARGUMENT, "no such column: typo");
  check_query_error("select a from t; select b from t", TENON_INVALID_ARGUMENT,
                    "there is a second statement at line 1, column 17");
  check_query_error("insert into t values (1, 2) returning a", TENON_INVALID_ARGUMENT, "does not only read rows");
  check_query_error("begin", TENON_INVALID_ARGUMENT, "does not only read rows");
  check_query_error(" ; -- nothing", TENON_INVALID_ARGUMENT, "the statement is empty");
  check_query_error("", TENON_INVALID_ARGUMENT, "set `statement`");
  check_query_error("select x.a, y.a from t x, t y", TENON_INVALID_ARGUMENT,
                    "two columns of the result have the name 'a'");
  check_query_error("select abs(-9223372036854775808)", TENON_INVALID_ARGUMENT, "integer overflow");
  CHECK(lines(params("select a from t; -- and a comment")) == Lines{R"({"a":1})"});
}

TEST_CASE_METHOD(QueryTest, "SqlQuery: files that are no databases") {
  const auto check = [&](const std::filesystem::path& other, tenon_status_t code, const std::string& part) {
    auto params = this->params("select * from t");
    params.database = other.string();
    check_sql_error(error(params), code, part);
  };
  check(directory / "missing.db", TENON_NOT_FOUND, "missing.db': cannot be opened: No such file or directory; check");
  check("", TENON_INVALID_ARGUMENT, "no database is named");
  check(directory.path(), TENON_INVALID_ARGUMENT, "is not a regular file");
  check(":memory:", TENON_NOT_FOUND, "':memory:': cannot be opened");
  write_text(directory / "text.db", std::string(5000, 'x'));
  check(directory / "text.db", TENON_CORRUPT, "text.db': is not a SQLite database");
  write_text(directory / "empty.db", "");
  check(directory / "empty.db", TENON_INVALID_ARGUMENT, "no such table: t");
}

TEST_CASE_METHOD(QueryTest, "SqlQuery: a damaged file is an error that names it") {
  database.run("create table t (k integer primary key, s text)");
  for (int i = 0; i < 200; ++i) {
    database.run("insert into t values (" + std::to_string(i) + ", '" + std::string(100, 'x') + "')");
  }
  std::string bytes = tenon::test::read_text(path);
  for (std::size_t i = 4096 * 3; i < bytes.size(); ++i) {
    bytes[i] = '\x5A';
  }
  write_text(directory / "damaged.db", bytes);
  for (const bool keyed : {true, false}) {
    auto params = this->params("select * from t", keyed ? Lines{"k"} : Lines{});
    params.database = (directory / "damaged.db").string();
    check_sql_error(error(params), TENON_CORRUPT, "damaged.db': is damaged: database disk image is malformed; restore");
  }
}

TEST_CASE_METHOD(QueryTest, "SqlQuery: what a killed writer has left is undone first") {
  database.run("create table t (k integer primary key, s text); pragma cache_size = 1");
  for (int i = 0; i < 100; ++i) {
    database.run("insert into t values (" + std::to_string(i) + ", '" + std::string(1000, 'x') + "')");
  }
  database.run("begin; update t set s = 'half'");
  // The state that the writer would leave: some pages are written, and the journal has the old ones.
  const std::filesystem::path copy = directory / "copy.db";
  std::filesystem::copy_file(path, copy);
  std::filesystem::copy_file(path.string() + "-journal", copy.string() + "-journal");
  REQUIRE(tenon::test::read_text(copy).find("half") != std::string::npos);
  auto params = this->params("select count(*) as n from t where s = 'half'");
  params.database = copy.string();
  CHECK(lines(params) == Lines{R"({"n":0})"});
}

TEST_CASE_METHOD(QueryTest, "SqlQuery: a write-ahead log stays as a killed writer has left it") {
  database.run("pragma journal_mode = wal; create table t (k); insert into t values (1), (2)");
  const std::filesystem::path copy = directory / "copy.db";
  std::filesystem::copy_file(path, copy);
  std::filesystem::copy_file(path.string() + "-wal", copy.string() + "-wal");
  const std::string before = tenon::test::read_text(copy);
  const std::string log = tenon::test::read_text(copy.string() + "-wal");
  REQUIRE(!log.empty());
  auto params = this->params("select k from t");
  params.database = copy.string();
  CHECK(lines(params).size() == 2);
  CHECK(tenon::test::read_text(copy) == before);
  CHECK(tenon::test::read_text(copy.string() + "-wal") == log);
}

TEST_CASE_METHOD(QueryTest, "SqlQuery: rows that are skipped after a loss leave the worker time for other work") {
  database.run(
      "create table t (x); with recursive w(x) as (select 1 union all select x + 1 from w where x < 5000) "
      "insert into t select x from w");
  const auto params = this->params("select x from t");
  Session session = open(params);
  std::size_t given = 0;
  while (given < 4500) {
    given += session.step(4500 - static_cast<std::uint32_t>(given)).results.size();
  }
  const Block checkpoint = session.checkpoint();
  session.close();
  Session later = open(params, record({}), checkpoint);
  CHECK(later.step(10).results.empty());
  // A loss on the way changes nothing.
  Session last = open(params, record({}), later.checkpoint());
  later.close();
  const Lines rest = records_of(last);
  CHECK(rest.size() == 500);
  CHECK(rest.front() == R"({"x":4501})");
}

TEST_CASE_METHOD(QueryTest, "SqlQuery: a full disk of temporary files is named as such") {
  database.run(
      "create table t (s); with recursive w(x) as (select 1 union all select x + 1 from w where x < 20000) "
      "insert into t select hex(randomblob(200)) from w");
  const FullTemporaryDisk full;
  check_query_error("select s from t order by s", TENON_IO, "x.db': the disk with SQLite's temporary files is full");
}

TEST_CASE_METHOD(QueryTest, "SqlQuery: a locked database can be tried again") {
  database.run("create table t (x); begin exclusive");
  check_sql_error(error(params("select * from t")), TENON_UNAVAILABLE,
                  "x.db': is locked by another connection for more than 50 ms");
  auto patient = params("select * from t");
  patient.busy_timeout_ms = UINT32_MAX;
  worker.settings.polls_before_stop = 3;
  check_sql_error(error(patient), TENON_CANCELLED, "the call was cancelled");
}

TEST_CASE_METHOD(QueryTest, "SqlQuery: a statement without end stops with the call") {
  worker.settings.polls_before_stop = 3;
  check_query_error("with recursive w(x) as (select 1 union all select x + 1 from w) select max(x) from w",
                    TENON_CANCELLED, "the call was cancelled");
}

TEST_CASE_METHOD(QueryTest, "SqlQuery: rows have a maximum size") {
  database.run(
      "create table t (k integer primary key, b blob); insert into t values (1, zeroblob(100)), (2, "
      "zeroblob(3000000))");
  auto params = this->params("select * from t", {"k"});
  CHECK(lines(params).size() == 2);
  params.max_row_bytes = 1 << 20;
  check_sql_error(error(params), TENON_TOO_LARGE,
                  "the row after row 1 (k = 1) has a value of more than 1048576 bytes; raise `max_row_bytes`");
  auto first = this->params("select k, b from t where k > 1", {"k"});
  first.max_row_bytes = 1 << 20;
  check_sql_error(error(first), TENON_TOO_LARGE, "the row number 1 has a value of more than 1048576 bytes");
  // What the error advises.
  first.statement = "select k from t";
  CHECK(lines(first).size() == 2);
  first.statement = "select * from t where k < 2";
  CHECK(lines(first).size() == 1);
  params.max_row_bytes = 50;
  check_sql_error(error(params), TENON_TOO_LARGE, "row 1 (k = 1) has 116 bytes, more than 50");
  // A row as large as a page.
  params.max_row_bytes = 16 << 20;
  database.run("insert into t values (3, zeroblob(2000000)), (4, x'01')");
  CHECK(lines(params).size() == 4);
}

TEST_CASE_METHOD(QueryTest, "SqlQuery: 100 000 rows in pages are those of SQLite") {
  database.run(
      "create table t (k integer primary key, s text);"
      "with recursive w(x) as (select 1 union all select x + 1 from w where x < 100000) "
      "insert into t select x * 3, 'row ' || x from w");
  Session session = open(params("select k, s from t", {"k"}));
  std::int64_t rows = 0;
  for (;;) {
    const Outcome outcome = session.step(1000);
    REQUIRE(outcome.ok());
    for (const Block& result : outcome.results) {
      ++rows;
      REQUIRE(result.as<tenon::Record>().fields()->Get(0)->value_as_IntValue()->value() == rows * 3);
    }
    if (outcome.status == TENON_END) {
      break;
    }
  }
  CHECK(rows == 100'000);
}
