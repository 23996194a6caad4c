#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <tenon/plugin_test.hpp>

#include "sql_generated.h"
#include "sqlite.hpp"
#include "support.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/temporary_directory.hpp"

using tenon::test::Block;
using tenon::test::check_sql_error;
using tenon::test::Outcome;
using tenon::test::record;
using tenon::test::Session;
using tenon::test::Sqlite;
using tenon::test::TemporaryDirectory;
using tenon::test::Worker;

namespace {

using Texts = std::vector<std::string>;

constexpr std::int64_t operator""_i(unsigned long long value) {
  return static_cast<std::int64_t>(value);
}

/// A database in a directory of its own, and sessions that write into its table `t`.
struct InsertTest {
  TemporaryDirectory directory;
  std::filesystem::path path = directory / "x.db";
  Sqlite database{path};
  Worker worker;
  sql::InsertParamsT params;

  InsertTest() {
    params.database = path.string();
    params.into = "t";
    params.busy_timeout_ms = 50;
    params.transaction_ms = 3'600'000;
    params.sync = false;
    // SQLite makes the file with the first write.
    database.run("pragma user_version = 1");
  }
  Session open(const Block& checkpoint = {}) { return worker.open("insert", {}, params, checkpoint); }
  Outcome insert(const std::vector<Block>& rows) {
    Session session = open();
    for (const Block& row : rows) {
      Outcome outcome = session.take(row);
      if (!outcome.ok()) {
        return outcome;
      }
    }
    return session.finish();
  }
  /// Checks that a row is refused, and that it is skipped if the params say so.
  void check_broken(const Block& row, const std::string& part) {
    const std::string before = database.value("select count(*) from t");
    const Outcome refused = insert({row});
    check_sql_error(refused, TENON_INVALID_ARGUMENT, "x.db', table 't': row 1 {");
    check_sql_error(refused, TENON_INVALID_ARGUMENT, part);
    CHECK(refused.message.find("; correct the row, or set `skip_broken`") != std::string::npos);
    params.skip_broken = true;
    const Outcome skipped = insert({row});
    INFO(skipped.message);
    REQUIRE(skipped.status == TENON_END);
    CHECK(skipped.as<sql::Inserted>().broken() == 1);
    CHECK(skipped.as<sql::Inserted>().rows() == 0);
    CHECK(database.value("select count(*) from t") == before);
    params.skip_broken = false;
  }
};

/// Lets writes to databases fail as on a full disk, for all connections that are opened during its
/// lifetime.
class FullDisk {
 public:
  FullDisk() : vfs_(*::sqlite3_vfs_find(nullptr)) {
    vfs_.zName = "full";
    vfs_.xOpen = [](sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out) {
      sqlite3_vfs* const real = ::sqlite3_vfs_find("unix");
      vfs->pAppData = real->pAppData;
      const int code = real->xOpen(vfs, name, file, flags, out);
      if (code == SQLITE_OK && (flags & SQLITE_OPEN_MAIN_DB) != 0) {
        methods = *file->pMethods;
        methods.xWrite = [](sqlite3_file*, const void*, int, sqlite3_int64) { return SQLITE_FULL; };
        file->pMethods = &methods;
      }
      return code;
    };
    REQUIRE(::sqlite3_vfs_register(&vfs_, 1) == SQLITE_OK);
  }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;
  ~FullDisk() {
    ::sqlite3_vfs_unregister(&vfs_);
    ::sqlite3_vfs_register(::sqlite3_vfs_find("unix"), 1);
  }

 private:
  static inline sqlite3_io_methods methods{};
  sqlite3_vfs vfs_;
};

}  // namespace

TEST_CASE_METHOD(InsertTest, "SqlInsert: a new table gets the columns and types of the rows") {
  params.create = true;
  params.sync = true;
  const Outcome outcome = insert({
      record({{"id", 1_i}, {"n", nullptr}, {"r", 1_i}, {"s", "x"}, {"b", true}, {"void", nullptr}}),
      record({{"id", 2_i}, {"n", 5_i}, {"r", 0.5}, {"s", 7_i}, {"b", false}, {"late \"one\"", "y"}}),
  });
  REQUIRE(outcome.status == TENON_END);
  CHECK(outcome.as<sql::Inserted>().rows() == 2);
  CHECK(outcome.as<sql::Inserted>().into()->str() == "t");
  CHECK(database.rows("select name, type from pragma_table_info('t')") ==
        Texts{"id|INTEGER", "n|INTEGER", "r|REAL", "s|TEXT", "b|INTEGER", "void|", "late \"one\"|TEXT"});
  CHECK(database.rows("select * from t") == Texts{"1|NULL|1.0|x|1|NULL|NULL", "2|5|0.5|7|0|NULL|y"});
  CHECK(database.value("select typeof(r) || typeof(s) || typeof(n) from t where id = 2") == "realtextinteger");
}

TEST_CASE_METHOD(InsertTest, "SqlInsert: types and keys of a new table") {
  params.create = true;
  params.key = {"id"};
  const auto type = [&](const char* name, sql::Type which) {
    auto column = std::make_unique<sql::ColumnTypeT>();
    column->name = name;
    column->type = which;
    params.types.push_back(std::move(column));
  };
  type("zip", sql::Type::text);
  type("data", sql::Type::blob);
  type("absent", sql::Type::number);
  const std::string bytes("\0\xFF", 2);
  REQUIRE(insert({record({{"id", 7_i}, {"zip", 742_i}, {"data", bytes}})}).status == TENON_END);
  CHECK(database.rows("select name, type, pk from pragma_table_info('t')") ==
        Texts{"id|INTEGER|1", "zip|TEXT|0", "data|BLOB|0", "absent|REAL|0"});
  CHECK(database.value("select rowid || zip || hex(data) || typeof(data) from t") == "774200FFblob");
}

TEST_CASE_METHOD(InsertTest, "SqlInsert: rows with a known key update - stay away - or are broken") {
  database.run("create table t (a, b, v, w default 'd', primary key (a, b)); insert into t values (1, 2, 'old', 'w')");
  params.key = {"a", "B"};
  const std::vector<Block> rows{record({{"b", 2_i}, {"v", "new"}, {"a", 1_i}}), record({{"a", 3_i}, {"b", 4_i}})};
  params.existing = sql::Existing::keep;
  Outcome outcome = insert(rows);
  CHECK(outcome.as<sql::Inserted>().kept() == 1);
  CHECK(outcome.as<sql::Inserted>().rows() == 1);
  CHECK(database.rows("select * from t") == Texts{"1|2|old|w", "3|4|NULL|d"});
  params.existing = sql::Existing::replace;
  outcome = insert(rows);
  CHECK(outcome.as<sql::Inserted>().kept() == 0);
  CHECK(outcome.as<sql::Inserted>().rows() == 2);
  CHECK(database.rows("select * from t") == Texts{"1|2|new|w", "3|4|NULL|d"});
  params.existing = sql::Existing::refuse;
  check_broken(rows.front(), R"({"b":2,"v":"new","a":1}: UNIQUE constraint failed: t.a, t.b; another row has)");
  check_broken(record({{"a", 1_i}, {"v", "x"}}), "it has no field 'B', which `key` names");
}

TEST_CASE_METHOD(InsertTest, "SqlInsert: a key needs a unique index of exactly its columns") {
  const auto outcome = [&](const std::string& table, const Texts& key) {
    database.run("drop table if exists t; " + table);
    params.key = key;
    return insert({record({{"a", 1_i}, {"b", 2_i}})});
  };
  for (const sql::Existing existing : {sql::Existing::replace, sql::Existing::keep, sql::Existing::refuse}) {
    params.existing = existing;
    for (const char* table :
         {"create table t (a, b)", "create table t (a, b unique)", "create table t (a, b, primary key (a, b))",
          "create table t (a, b); create index i on t (a)",
          "create table t (a, b); create unique index i on t (a) where b > 1",
          "create table t (a, b); create unique index i on t (a + 1)"}) {
      INFO(table);
      check_sql_error(outcome(table, {"a"}), TENON_INVALID_ARGUMENT,
                      "x.db': the table 't' has no primary key or unique index of exactly the columns of `key`");
      CHECK(database.value("select count(*) from t") == "0");
    }
    for (const char* table :
         {"create table t (a integer primary key, b)", "create table t (a primary key, b) without rowid",
          "create table t (a unique, b)", "create table t (a, b); create unique index i on t (a desc)"}) {
      INFO(table);
      CHECK(outcome(table, {"A"}).status == TENON_END);
    }
    CHECK(outcome("create table t (b, a, unique (b, a))", {"a", "b"}).status == TENON_END);
  }
}

TEST_CASE_METHOD(InsertTest, "SqlInsert: after a loss at any time each row is there once") {
  constexpr std::size_t kRows = 9;
  params.transaction_rows = 2;
  for (const bool keyed : {false, true}) {
    params.key = keyed ? Texts{"k"} : Texts{};
    const auto row = [](std::size_t i) { return record({{"k", static_cast<std::int64_t>(i)}}); };
    for (std::size_t saved = 0; saved <= kRows; ++saved) {
      for (std::size_t lost = saved; lost <= kRows + 1; ++lost) {
        database.run("drop table if exists t; drop table if exists tenon_sessions; create table t (k " +
                     std::string(keyed ? "unique" : "") + ")");
        Session session = open();
        Block checkpoint = session.checkpoint();
        for (std::size_t i = 0; i < std::min(lost, kRows); ++i) {
          REQUIRE(session.take(row(i)).ok());
          if (i + 1 == saved) {
            checkpoint = session.checkpoint();
          }
        }
        if (lost > kRows) {
          REQUIRE(session.finish().status == TENON_END);  // Its result is lost.
        }
        session.close();
        Session later = open(checkpoint);
        for (std::size_t i = saved; i < kRows; ++i) {
          REQUIRE(later.take(row(i)).ok());
        }
        const Outcome outcome = later.finish();
        INFO(outcome.message);
        REQUIRE(outcome.status == TENON_END);
        CHECK(outcome.as<sql::Inserted>().rows() == kRows);
        REQUIRE(database.value("select count(*) || '|' || count(distinct k) from t") == "9|9");
      }
    }
  }
}

TEST_CASE_METHOD(InsertTest, "SqlInsert: a session that is continued counts its broken rows once") {
  database.run("create table t (k not null)");
  params.skip_broken = true;
  params.transaction_rows = 1;
  Session session = open();
  const Block checkpoint = session.checkpoint();
  const std::vector<Block> rows{record({{"k", nullptr}}), record({{"k", 1_i}}), record({{"k", nullptr}})};
  for (const Block& row : rows) {
    REQUIRE(session.take(row).ok());
  }
  session.close();
  Session later = open(checkpoint);
  for (const Block& row : rows) {
    REQUIRE(later.take(row).ok());
  }
  const Outcome outcome = later.finish();
  CHECK(outcome.as<sql::Inserted>().broken() == 2);
  CHECK(outcome.as<sql::Inserted>().rows() == 1);
}

TEST_CASE_METHOD(InsertTest, "SqlInsert: without a checkpoint all rows are one transaction") {
  database.run("create table t (k)");
  params.transaction_rows = 1;
  {
    Session session = open();
    for (std::int64_t i = 0; i < 5; ++i) {
      REQUIRE(session.take(record({{"k", i}})).ok());
      CHECK(database.value("select count(*) from t") == "0");
    }
    REQUIRE(session.finish().status == TENON_END);
  }
  CHECK(database.value("select count(*) from t") == "5");
  CHECK(database.value("select count(*) from sqlite_schema where name = 'tenon_sessions'") == "0");
}

TEST_CASE_METHOD(InsertTest, "SqlInsert: a batch that a hot swap moves stays one transaction") {
  database.run("create table t (k not null)");
  params.transaction_rows = 2;
  const auto row = [](std::int64_t i) { return record({{"k", i}}); };
  for (std::int64_t moved = 0; moved <= 5; ++moved) {
    Session first = open();
    for (std::int64_t i = 0; i < moved; ++i) {
      REQUIRE(first.take(row(i)).ok());
    }
    const Block checkpoint = first.checkpoint();
    Session later = open(checkpoint);
    first.close();
    for (std::int64_t i = moved; i < 6; ++i) {
      REQUIRE(later.take(row(i)).ok());
      CHECK(database.value("select count(*) from t") == "0");
    }
    REQUIRE(later.take(record({{"k", nullptr}})).ok());
    check_sql_error(later.finish(), TENON_INVALID_ARGUMENT, "row 7 {\"k\":null}");
    CHECK(database.value("select count(*) from t") == "0");
  }
  // A move that fails leaves the batch where it is.
  Session session = open();
  REQUIRE(session.take(row(0)).ok());
  static_cast<void>(session.checkpoint());
  for (std::int64_t i = 1; i < 6; ++i) {
    REQUIRE(session.take(row(i)).ok());
    CHECK(database.value("select count(*) from t") == "0");
  }
  REQUIRE(session.finish().status == TENON_END);
  CHECK(database.value("select count(*) from t") == "6");
}

TEST_CASE_METHOD(InsertTest, "SqlInsert: a sink that is moved or lost before its first commit commits later rows") {
  database.run("create table t (k)");
  params.transaction_rows = 1;
  const auto row = [](std::int64_t i) { return record({{"k", i}}); };
  const auto count = [&] { return database.value("select count(*) from t"); };
  Session moved = open();
  static_cast<void>(moved.checkpoint());
  Session idle = open(moved.checkpoint());  // The first was for the pipeline, and this one is for the swap.
  REQUIRE(idle.take(row(1)).ok());
  CHECK(count() == "1");
  Session lost = open();
  const Block checkpoint = lost.checkpoint();
  Session later = open(checkpoint);
  REQUIRE(later.take(row(2)).ok());
  CHECK(count() == "1");
  static_cast<void>(later.checkpoint());
  REQUIRE(later.take(row(3)).ok());
  CHECK(count() == "3");
  // Another loss: the rows come again, and the table of the sessions has this one.
  Session last = open(checkpoint);
  REQUIRE(last.take(row(2)).ok());
  REQUIRE(last.take(row(3)).ok());
  REQUIRE(last.take(row(4)).ok());
  CHECK(database.rows("select k from t") == Texts{"1", "2", "3", "4"});
}

TEST_CASE_METHOD(InsertTest, "SqlInsert: the rows of a batch have a maximum size") {
  database.run("create table t (s)");
  const Block row = record({{"s", std::string(std::size_t{90} << 20, 'x')}});
  Session session = open();
  REQUIRE(session.take(row).ok());
  REQUIRE(session.take(row).ok());
  check_sql_error(session.take(row), TENON_TOO_LARGE,
                  "the batch has more than 256 MiB, after 3 rows; set a smaller `size` of the stage");
  session.close();
  CHECK(database.value("select count(*) from t") == "0");
}

TEST_CASE_METHOD(InsertTest, "SqlInsert: transactions are bounded by rows and by time") {
  database.run("create table t (k)");
  params.transaction_rows = 3;
  Session session = open();
  static_cast<void>(session.checkpoint());
  Texts counts;
  for (std::int64_t i = 0; i < 7; ++i) {
    REQUIRE(session.take(record({{"k", i}})).ok());
    counts.push_back(database.value("select count(*) from t"));
  }
  CHECK(counts == Texts{"0", "0", "3", "3", "3", "6", "6"});
  session.close();
  params.transaction_rows = 1000;
  params.transaction_ms = 0;
  Session fast = open();
  static_cast<void>(fast.checkpoint());
  REQUIRE(fast.take(record({{"k", 8_i}})).ok());
  CHECK(database.value("select count(*) from t") == "7");
}

TEST_CASE_METHOD(InsertTest, "SqlInsert: time does not decide about the columns of a new table") {
  params.create = true;
  params.transaction_ms = 0;
  params.transaction_rows = 3;
  Session session = open();
  static_cast<void>(session.checkpoint());
  REQUIRE(session.take(record({{"a", 1_i}})).ok());
  REQUIRE(session.take(record({{"a", 0.5}, {"b", 2_i}})).ok());
  REQUIRE(session.take(record({{"c", 3_i}})).ok());
  CHECK(database.rows("select * from t") == Texts{"1.0|NULL|NULL", "0.5|2|NULL", "NULL|NULL|3"});
  REQUIRE(session.take(record({{"a", 4_i}})).ok());
  CHECK(database.value("select count(*) from t") == "4");
}

TEST_CASE_METHOD(InsertTest, "SqlInsert: a run without rows checks or makes the table") {
  check_sql_error(insert({}), TENON_NOT_FOUND, "x.db': has no table 't'; correct `into`, or set `create`");
  params.create = true;
  REQUIRE(insert({}).status == TENON_END);
  REQUIRE(worker.logs.size() == 1);
  CHECK(worker.logs.front().find("no row came, so the table 't' was not made; list its columns") != std::string::npos);
  params.key = {"id"};
  auto column = std::make_unique<sql::ColumnTypeT>();
  column->name = "zip";
  column->type = sql::Type::text;
  params.types.push_back(std::move(column));
  REQUIRE(insert({}).status == TENON_END);
  CHECK(database.rows("select name, type, pk from pragma_table_info('t')") == Texts{"zip|TEXT|0", "id||1"});
  params.key = {"zip"};
  check_sql_error(insert({}), TENON_INVALID_ARGUMENT, "no primary key or unique index of exactly the columns");
}

TEST_CASE_METHOD(InsertTest, "SqlInsert: a table that changes between two transactions is read again") {
  database.run("create table t (k)");
  params.transaction_rows = 1;
  Session session = open();
  static_cast<void>(session.checkpoint());
  REQUIRE(session.take(record({{"k", 1_i}})).ok());
  database.run("alter table t add column late integer");
  REQUIRE(session.take(record({{"k", 2_i}, {"late", 3_i}})).ok());
  CHECK(database.rows("select * from t") == Texts{"1|NULL", "2|3"});
  check_sql_error(session.take(record({{"late", "x"}})), TENON_INVALID_ARGUMENT, "'late' takes integers");
  session.close();
  Session dropped = open();
  static_cast<void>(dropped.checkpoint());
  REQUIRE(dropped.take(record({{"k", 4_i}})).ok());
  database.run("drop table t");
  check_sql_error(dropped.take(record({{"k", 2_i}})), TENON_NOT_FOUND, "no longer has the table 't'");
}

TEST_CASE_METHOD(InsertTest, "SqlInsert: after a loss rows that the session wrote itself are not kept ones") {
  database.run("create table t (k primary key); insert into t values (2)");
  params.key = {"k"};
  params.existing = sql::Existing::keep;
  params.transaction_rows = 1;
  Session session = open();
  const Block checkpoint = session.checkpoint();
  for (std::int64_t i = 1; i <= 3; ++i) {
    REQUIRE(session.take(record({{"k", i}})).ok());
  }
  session.close();
  Session later = open(checkpoint);
  for (std::int64_t i = 1; i <= 3; ++i) {
    REQUIRE(later.take(record({{"k", i}})).ok());
  }
  const Outcome outcome = later.finish();
  REQUIRE(outcome.status == TENON_END);
  CHECK(outcome.as<sql::Inserted>().rows() == 2);
  CHECK(outcome.as<sql::Inserted>().kept() == 1);
}

TEST_CASE_METHOD(InsertTest, "SqlInsert: broken rows are named with their place and reason") {
  database.run("create table t (i integer check (i < 100), r real, s text not null default '', u unique, b blob)");
  database.run("insert into t (u) values (5)");
  check_broken(record({{"i", "n/a"}}),
               R"(row 1 {"i":"n/a"}: the column 'i' takes integers, but the value is the text 'n/a')");
  check_broken(record({{"i", 1.5}}), "the column 'i' takes integers, but the value is 1.5");
  check_broken(record({{"r", "1,5"}}), "the column 'r' takes numbers, but the value is the text '1,5'");
  check_broken(record({{"r", std::nan("")}}), "'r' is not a number (NaN)");
  check_broken(record({{"i", 100_i}}), "CHECK constraint failed: i < 100");
  check_broken(record({{"s", nullptr}}), "NOT NULL constraint failed: t.s; give the field a value");
  check_broken(record({{"u", 5_i}}), "UNIQUE constraint failed: t.u; another row has this value already; set `key`");
  check_broken(record({{"nix", 5_i}}), "the table has no column 'nix'; it has: i, r, s, u, b; add the column");
  check_broken(record({{"i", 5_i}, {"I", 5_i}}), "it has the field 'I' twice");
  check_broken(record({}), "it has no fields");
  params.key = {"u"};
  check_broken(record({{"u", nullptr}}), "the field 'u', which `key` names, is null");
  params.key = {};
  // What fits after a conversion is stored as the type of the column.
  REQUIRE(insert({record({{"i", "42"}, {"r", "+2.5"}, {"s", 7_i}, {"b", "x"}})}).status == TENON_END);
  CHECK(database.value("select typeof(i) || typeof(r) || typeof(s) || typeof(b) from t where i = 42") ==
        "integerrealtextblob");
}

TEST_CASE_METHOD(InsertTest, "SqlInsert: numbers are stored as they are or the row is broken") {
  database.run("create table t (i integer, r real, s text, d decimal(10,2), n numeric, day date, flag boolean)");
  for (const char* text : {"nan", "-nan", "inf", "Infinity", "+-5", "++5", "", "5 ", "0x10", "1e999"}) {
    for (const char* column : {"i", "r", "d", "n"}) {
      check_broken(record({{column, text}}),
                   "the column '" + std::string(column) + "' takes " + (*column == 'i' ? "integers" : "numbers"));
    }
  }
  check_broken(record({{"d", "n/a"}}), "the column 'd' takes numbers, but the value is the text 'n/a'");
  check_broken(record({{"i", 1e300}}), "the column 'i' takes integers, but the value is 1e+300");
  check_broken(record({{"i", 1e-7}}), "the column 'i' takes integers, but the value is 1e-07");
  check_broken(record({{"i", 9223372036854775808.0}}), "the column 'i' takes integers");
  check_broken(record({{"i", HUGE_VAL}}), "the column 'i' takes integers, but the value is inf");
  check_broken(record({{"r", 9007199254740993_i}}),
               "takes numbers of about 15 digits, but the value is 90071992547409");
  check_broken(record({{"r", "9007199254740993"}}), "takes numbers of about 15 digits, but the value is the text");
  check_broken(record({{"n", "12345678901234567890123"}}), "takes numbers of about 15 digits");
  REQUIRE(insert({record({{"i", -9223372036854775808.0}, {"r", "+2.5"}, {"s", 0.30000000000000004}}),
                  record({{"i", 9223372036854774784.0}, {"r", 9007199254740992_i}, {"s", 0.5}, {"d", "12.50"}}),
                  record({{"n", 9007199254740993_i}, {"d", "9007199254740993"}, {"r", "-0009007199254740992"}}),
                  record({{"day", "2024-02-29"}, {"flag", "yes"}, {"s", 1e20}, {"r", "5."}, {"n", ".5"}})})
              .status == TENON_END);
  CHECK(database.rows("select i, typeof(i), typeof(r), s from t") ==
        Texts{"-9223372036854775808|integer|real|0.30000000000000004", "9223372036854774784|integer|real|0.5",
              "NULL|null|real|NULL", "NULL|null|real|1.0e+20"});
  CHECK(database.rows("select cast(r as integer), d, n, day, flag from t where rowid > 1") ==
        Texts{"9007199254740992|12.5|NULL|NULL|NULL", "-9007199254740992|9007199254740993|9007199254740993|NULL|NULL",
              "5|NULL|0.5|2024-02-29|yes"});
}

TEST_CASE_METHOD(InsertTest, "SqlInsert: one broken row undoes its transaction unless it is skipped") {
  database.run("create table t (k integer primary key)");
  std::vector<Block> rows;
  for (const std::int64_t k : {1, 2, 2, 3}) {
    rows.push_back(record({{"k", k}}));
  }
  check_sql_error(insert(rows), TENON_INVALID_ARGUMENT, "row 3 {\"k\":2}: UNIQUE constraint failed: t.k");
  CHECK(database.value("select count(*) from t") == "0");
  params.skip_broken = true;
  for (std::int64_t i = 0; i < 20; ++i) {
    rows.push_back(record({{"k", 1_i}}));
  }
  const Outcome outcome = insert(rows);
  CHECK(outcome.as<sql::Inserted>().rows() == 3);
  CHECK(outcome.as<sql::Inserted>().broken() == 21);
  CHECK(database.value("select count(*) from t") == "3");
  // Ten rows and the total.
  REQUIRE(worker.logs.size() == 11);
  CHECK(worker.logs[9].find("further broken rows are only counted") != std::string::npos);
  CHECK(worker.logs[10].find("21 broken rows were skipped") != std::string::npos);
}

TEST_CASE_METHOD(InsertTest, "SqlInsert: a row that ends its transaction is an error even if broken rows are skipped") {
  database.run(
      "create table t (k); create trigger g before insert on t when new.k > 5 "
      "begin select raise(rollback, 'too many'); end");
  params.skip_broken = true;
  check_sql_error(insert({record({{"k", 1_i}}), record({{"k", 6_i}})}), TENON_INVALID_ARGUMENT,
                  "row 2 {\"k\":6} has ended its transaction: too many");
  CHECK(database.value("select count(*) from t") == "0");
}

TEST_CASE_METHOD(InsertTest, "SqlInsert: triggers with texts in double quotes work") {
  database.run(
      "create table log (s); create table t (k); create trigger g after insert on t begin "
      "insert into log values (\"new\"); end");
  const Outcome outcome = insert({record({{"k", 1_i}})});
  INFO(outcome.message);
  REQUIRE(outcome.status == TENON_END);
  CHECK(database.value("select s from log") == "new");
}

TEST_CASE_METHOD(InsertTest, "SqlInsert: foreign keys hold") {
  database.run(
      "create table p (id integer primary key); insert into p values (1); create table t (p references p (id))");
  CHECK(insert({record({{"p", 1_i}})}).status == TENON_END);
  check_sql_error(insert({record({{"p", 2_i}})}), TENON_INVALID_ARGUMENT, "FOREIGN KEY constraint failed");
  database.run("drop table t; create table t (p references p (id) deferrable initially deferred)");
  check_sql_error(insert({record({{"p", 1_i}}), record({{"p", 2_i}})}), TENON_INVALID_ARGUMENT,
                  "x.db': the row with the rowid 2 of the table 't' refers to a row of 'p' that is not there");
  CHECK(database.value("select count(*) from t") == "0");
}

TEST_CASE_METHOD(InsertTest, "SqlInsert: rows of many shapes") {
  std::string columns;
  for (int i = 0; i < 100; ++i) {
    columns += (i == 0 ? "c" : ", c") + std::to_string(i);
  }
  database.run("create table t (" + columns + ")");
  std::vector<Block> rows;
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 100; ++i) {
      rows.push_back(record({{"c" + std::to_string(i), static_cast<std::int64_t>(i)}}));
    }
  }
  REQUIRE(insert(rows).status == TENON_END);
  CHECK(database.value("select count(*) || '|' || count(c99) || '|' || max(c99) from t") == "200|2|99");
}

TEST_CASE_METHOD(InsertTest, "SqlInsert: databases and tables that are not there") {
  check_sql_error(insert({record({{"k", 1_i}})}), TENON_NOT_FOUND,
                  "x.db': has no table 't'; correct `into`, or set `create`");
  params.database = (directory / "new.db").string();
  check_sql_error(insert({record({{"k", 1_i}})}), TENON_NOT_FOUND,
                  "new.db': cannot be opened: No such file or directory; set `create` to make a new database");
  CHECK(!std::filesystem::exists(directory / "new.db"));
  params.create = true;
  REQUIRE(insert({record({{"k", 1_i}})}).status == TENON_END);
  CHECK(Sqlite(directory / "new.db").value("select k from t") == "1");
  params.database = (directory / "no" / "new.db").string();
  check_sql_error(insert({record({{"k", 1_i}})}), TENON_IO, "unable to open database file (No such file or directory)");
  params.into = "";
  params.database = path.string();
  check_sql_error(insert({}), TENON_INVALID_ARGUMENT, "set `into`");
}

TEST_CASE_METHOD(InsertTest, "SqlInsert: a locked database can be tried again from the checkpoint") {
  database.run("create table t (k)");
  params.transaction_rows = 2;
  Session session = open();
  REQUIRE(session.checkpoint().span().size() > 0);
  REQUIRE(session.take(record({{"k", 1_i}})).ok());
  const Block checkpoint = session.checkpoint();
  database.run("begin immediate");
  check_sql_error(session.take(record({{"k", 2_i}})), TENON_UNAVAILABLE, "x.db': is locked by another connection");
  session.close();
  database.run("commit");
  Session later = open(checkpoint);
  REQUIRE(later.take(record({{"k", 2_i}})).ok());
  REQUIRE(later.finish().status == TENON_END);
  CHECK(database.rows("select k from t") == Texts{"1", "2"});
}

TEST_CASE_METHOD(InsertTest, "SqlInsert: a reader that blocks the commit leaves no transaction behind") {
  database.run("create table t (k); insert into t values (0)");
  database.run("begin; select * from t");
  check_sql_error(insert({record({{"k", 1_i}})}), TENON_UNAVAILABLE, "x.db': is locked by another connection");
  database.run("commit; begin immediate; commit");
  params.wal = true;
  REQUIRE(insert({record({{"k", 2_i}})}).status == TENON_END);
  database.run("begin; select * from t");
  CHECK(insert({record({{"k", 3_i}})}).status == TENON_END);
  database.run("commit");
  CHECK(database.rows("select k from t") == Texts{"0", "2", "3"});
  CHECK(database.value("pragma journal_mode") == "wal");
}

TEST_CASE_METHOD(InsertTest, "SqlInsert: a full disk is said in words and changes nothing") {
  database.run("create table t (k); insert into t values (0)");
  {
    const FullDisk full;
    check_sql_error(insert({record({{"k", 1_i}})}), TENON_IO,
                    "x.db': the disk is full, and the transaction was rolled back; free space");
  }
  CHECK(database.rows("select k from t") == Texts{"0"});
  CHECK(insert({record({{"k", 1_i}})}).status == TENON_END);
}

TEST_CASE_METHOD(InsertTest, "SqlInsert: a checkpoint that is damaged is refused") {
  Session session = open();
  const Block checkpoint = session.checkpoint();
  std::vector<std::uint8_t> bytes(checkpoint.span().begin(), checkpoint.span().end());
  for (std::size_t i = 48; i < bytes.size(); ++i) {
    bytes[i] = 0xFF;
  }
  const Session broken = open(Block(std::span<const std::uint8_t>(bytes)));
  CHECK(broken.opened().status == TENON_CORRUPT);
}

TEST_CASE_METHOD(InsertTest, "SqlInsert: 100 000 rows come back as they went in") {
  params.create = true;
  Session session = open();
  static_cast<void>(session.checkpoint());
  for (std::int64_t i = 0; i < 100'000; ++i) {
    REQUIRE(session.take(record({{"k", i}, {"s", "row " + std::to_string(i)}})).ok());
  }
  REQUIRE(session.finish().status == TENON_END);
  CHECK(database.value("select count(*) || '|' || sum(k) || '|' || count(distinct s) from t where s = 'row ' || k") ==
        "100000|4999950000|100000");
}
