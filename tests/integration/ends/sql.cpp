// Runs the pipelines of the plugin `sql`, also with workers that are killed and databases that are
// locked.
#include <sqlite3.h>
#include <sys/types.h>

#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <sstream>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <nlohmann/json.hpp>

#include "program.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/paths.hpp"
#include "tenon_test/temporary_directory.hpp"

namespace fs = std::filesystem;
using nlohmann::json;
using tenon::test::Ended;
using tenon::test::Program;
using tenon::test::TemporaryDirectory;

namespace {

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

void write(const fs::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

std::string example(const char* name) {
  return (tenon::test::source_dir() / "plugins" / "sql" / name).string();
}

/// A connection of this process.
class Connection {
 public:
  explicit Connection(const fs::path& path) {
    sqlite3* raw = nullptr;
    const int code = ::sqlite3_open(path.c_str(), &raw);
    connection_.reset(raw);
    REQUIRE(code == SQLITE_OK);
    ::sqlite3_busy_timeout(raw, 60'000);
  }
  void run(const std::string& statements) {
    const int code = ::sqlite3_exec(connection_.get(), statements.c_str(), nullptr, nullptr, nullptr);
    INFO(statements);
    INFO(::sqlite3_errmsg(connection_.get()));
    REQUIRE(code == SQLITE_OK);
  }
  /// The first value of a statement.
  std::string value(const std::string& statement) {
    std::string value;
    const int code = ::sqlite3_exec(
        connection_.get(), statement.c_str(),
        [](void* to, int, char** values, char**) {
          *static_cast<std::string*>(to) = values[0] == nullptr ? "NULL" : values[0];
          return 0;
        },
        &value, nullptr);
    INFO(statement);
    INFO(::sqlite3_errmsg(connection_.get()));
    REQUIRE(code == SQLITE_OK);
    return value;
  }

 private:
  struct Close {
    void operator()(sqlite3* connection) const noexcept { ::sqlite3_close(connection); }
  };
  std::unique_ptr<sqlite3, Close> connection_;
};

/// The number of items that a stage or sink has taken.
std::uint64_t items_in(const Ended& ended, const std::string& name) {
  const json report = json::parse(ended.output);
  for (const json& stage : report.at("stages")) {
    if (stage.at("name") == name) {
      return stage.at("items_in").get<std::uint64_t>();
    }
  }
  return UINT64_MAX;
}

/// A source database with the numbers from 1 to `rows`.
void make_numbers(const fs::path& path, int rows) {
  Connection source(path);
  source.run("create table numbers (n integer primary key, square integer); begin");
  source.run("with recursive w(x) as (select 1 union all select x + 1 from w where x < " + std::to_string(rows) +
             ") insert into numbers select x, x * x from w; commit");
}

/// Copies the numbers into another database. `query` and `insert` are further params.
std::string copying(const fs::path& directory, const std::string& query, const std::string& insert) {
  return "[sources.rows]\ntask = \"sql.query\"\nparams = { database = \"" + (directory / "from.db").string() +
         "\", statement = \"select * from numbers\"" + query +
         " }\n[sinks.copy]\ntask = \"sql.insert\"\ninputs = [\"rows\"]\nparams = { database = \"" +
         (directory / "to.db").string() + "\", into = \"copies\", create = true, sync = false" + insert + " }\n";
}

/// Checks that each number from 1 to `rows` is there once.
void check_copied(const fs::path& directory, int rows) {
  const std::string all = std::to_string(rows);
  CHECK(Connection(directory / "to.db")
            .value("select count(*) || '|' || count(distinct n) || '|' || max(n) || '|' || sum(square = n * n) "
                   "from copies") == all + "|" + all + "|" + all + "|" + all);
}

std::string text_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The workers of a run that have loaded the plugin. A run gives up if it cannot start any worker, so
/// those that are starting must live.
std::vector<pid_t> workers_of(pid_t host) {
  std::vector<pid_t> workers;
  std::error_code failed;
  for (fs::directory_iterator thread("/proc/" + std::to_string(host) + "/task", failed), end; !failed && thread != end;
       thread.increment(failed)) {
    std::istringstream children(text_of(thread->path() / "children"));
    for (pid_t child = 0; children >> child;) {
      const fs::path process = "/proc/" + std::to_string(child);
      if (!has(text_of(process / "cmdline"), "--inspect") && has(text_of(process / "maps"), "/sql.so")) {
        workers.push_back(child);
      }
    }
  }
  return workers;
}

/// Kills workers of a run, one after another, until it ends. Returns how many it killed.
int kill_workers_of(Program& program) {
  int kills = 0;
  for (std::size_t i = 0; program.running(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    const std::vector<pid_t> workers = workers_of(program.pid());
    // A limit, because a run gives up after many deaths without progress.
    if (!workers.empty() && kills < 30) {
      kills += ::kill(workers[i % workers.size()], SIGKILL) == 0 ? 1 : 0;
    }
  }
  return kills;
}

}  // namespace

TEST_CASE("sql: load.toml loads a table and updates it") {
  const TemporaryDirectory directory;
  const auto load = [&](const std::string& text) {
    write(directory / "people.csv", text);
    return tenon::test::tenon({"run", example("load.toml"), "--set",
                               "sources.people.args.path=" + (directory / "people.csv").string(), "--set",
                               "sinks.table.params.database=" + (directory / "people.db").string()});
  };
  Ended ended = load("id,name,zip,age\n1,\"Doe, J\",00742,30\n2,O'Neil,53111,\n");
  INFO(ended.error);
  REQUIRE(ended.exit == 0);
  Connection people(directory / "people.db");
  CHECK(people.value("select group_concat(id || name || zip || coalesce(age, '-'), ' ') from people") ==
        "1Doe, J0074230 2O'Neil53111-");
  ended = load("id,name,zip,age\n2,O'Neil,53113,41\n3,New,10115,\"n/a\"\n");
  INFO(ended.error);
  REQUIRE(ended.exit == 0);
  CHECK(people.value("select group_concat(id || zip || coalesce(age, '-'), ' ') from people") == "10074230 25311341");
  CHECK(has(ended.error,
            "people.db', table 'people': row 2 {\"id\":3,\"name\":\"New\",\"zip\":\"10115\",\"age\":\"n/a\"}: "
            "the column 'age' takes integers"));
}

TEST_CASE("sql: select.toml runs a program for each row") {
  const TemporaryDirectory directory;
  Connection people(directory / "people.db");
  people.run(
      "create table people (id integer primary key, name text, town text);"
      "insert into people (name, town) values ('Ann', 'Bonn'), ('Bob', 'Ulm'), ('Eve', 'Bonn')");
  const std::string set = "sources.people.params.database=" + (directory / "people.db").string();
  Ended ended = tenon::test::tenon({"run", example("select.toml"), "--json", "--set", set});
  INFO(ended.error);
  CHECK(ended.exit == 0);
  CHECK(items_in(ended, "done") == 2);
  ended = tenon::test::tenon(
      {"run", example("select.toml"), "--set", set, "--set", "sources.people.params.statement=select id form people"});
  CHECK(ended.exit == 1);
  CHECK(has(ended.error, "people.db': the statement is not valid, at its line 1, column 16 (byte 16): near"));
}

TEST_CASE("sql: deaths of the workers lose no row and double none") {
  constexpr int kRows = 40'000;
  for (const char* query : {", key = [\"n\"], page_rows = 500", ""}) {
    for (const char* insert : {"", ", key = [\"n\"]"}) {
      const TemporaryDirectory directory;
      make_numbers(directory / "from.db", kRows);
      write(directory / "copy.toml",
            copying(directory.path(), query, ", transaction_rows = 700" + std::string(insert)));
      Program program({"run", (directory / "copy.toml").string(), "--workers", "2"});
      const int kills = kill_workers_of(program);
      const int code = program.wait();
      INFO(program.error());
      REQUIRE(code == 0);
      CHECK(kills > 0);
      check_copied(directory.path(), kRows);
    }
  }
}

TEST_CASE("sql: an interrupted run leaves whole transactions") {
  const TemporaryDirectory directory;
  make_numbers(directory / "from.db", 1'000'000);
  Connection copy(directory / "to.db");
  copy.run("create table copies (n, square)");
  std::string text = copying(directory.path(), ", key = [\"n\"]", ", transaction_rows = 50, transaction_ms = 3600000");
  const std::string input = "inputs = [\"rows\"]";
  text.replace(text.find(input), input.size(), "inputs = [\"slow\"]");
  write(directory / "copy.toml", text + "[stages.slow]\nkind = \"throttle\"\ninputs = [\"rows\"]\nrate = \"2000/s\"\n");
  Program program({"run", (directory / "copy.toml").string()});
  program.wait_until_ready();
  while (program.running() && copy.value("select count(*) from copies") == "0") {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  program.interrupt();
  CHECK(program.wait() != 0);
  INFO(program.error());
  CHECK(copy.value("select count(*) > 0 and count(*) % 50 = 0 and count(*) = max(n) from copies") == "1");
}

TEST_CASE("sql: a batch is one transaction") {
  const TemporaryDirectory directory;
  make_numbers(directory / "from.db", 1000);
  std::string text = copying(directory.path(), ", key = [\"n\"]", "");
  const std::string sink = "[sinks.copy]\n";
  text.replace(text.find(sink), sink.size(), "[stages.copy]\nkind = \"batch\"\nsize = 300\nmax_wait = \"1s\"\n");
  write(directory / "copy.toml", text + "[sinks.done]\ntask = \"tenon.discard\"\ninputs = [\"copy\"]\n");
  const Ended ended = tenon::test::tenon({"run", (directory / "copy.toml").string(), "--json", "--workers", "2"});
  INFO(ended.error);
  CHECK(ended.exit == 0);
  CHECK(items_in(ended, "done") == 4);
  check_copied(directory.path(), 1000);
}

TEST_CASE("sql: a query and an insert of the same database") {
  // With a key the query holds no lock while the rows are written, even in the same worker. It also
  // reads what a worker that was killed while it wrote has left.
  constexpr int kRows = 20'000;
  for (const bool deadly : {false, true}) {
    const TemporaryDirectory directory;
    make_numbers(directory / "from.db", kRows);
    std::string text = copying(directory.path(), ", key = [\"n\"], page_rows = 100", ", transaction_rows = 100");
    const std::string to = "to.db";
    text.replace(text.find(to), to.size(), "from.db");
    write(directory / "copy.toml", text);
    Program program({"run", (directory / "copy.toml").string(), "--workers", "1"});
    if (deadly) {
      CHECK(kill_workers_of(program) > 0);
    }
    const int code = program.wait();
    INFO(program.error());
    CHECK(code == 0);
    CHECK(Connection(directory / "from.db").value("select count(*) || '|' || count(distinct n) from copies") ==
          "20000|20000");
  }
}

TEST_CASE("sql: other tables become rows by a projection") {
  const TemporaryDirectory directory;
  write(directory / "project.toml",
        "[sources.numbers]\ntask = \"tenon.numbers\"\nargs = { count = 5, first = 10 }\n[stages.rows]\nkind = "
        "\"project\"\ninputs = [\"numbers\"]\nfields = { place = \"@index\", n = \"value\" }\n[sinks.table]\ntask = "
        "\"sql.insert\"\ninputs = [\"rows\"]\nparams = { database = \"" +
            (directory / "new.db").string() + "\", into = \"numbers\", create = true, wal = true }\n");
  const Ended ended = tenon::test::tenon({"run", (directory / "project.toml").string(), "--json"});
  INFO(ended.error);
  CHECK(ended.exit == 0);
  Connection numbers(directory / "new.db");
  CHECK(numbers.value("select group_concat(place || '=' || n, ' ') from numbers") == "1=10 2=11 3=12 4=13 5=14");
  CHECK(numbers.value("pragma journal_mode") == "wal");
}

TEST_CASE("sql: a query for each item") {
  const TemporaryDirectory directory;
  make_numbers(directory / "from.db", 100);
  write(directory / "wanted.jsonl", "{\"least\":98}\n{\"least\":\"x\"}\n{\"least\":100}\n{\"least\":1000}\n");
  write(directory / "expand.toml",
        "[sources.wanted]\ntask = \"jsonl.read\"\nargs = { path = \"" + (directory / "wanted.jsonl").string() +
            "\" }\n[stages.find]\ntask = \"sql.query\"\ninputs = [\"wanted\"]\nparams = { database = \"" +
            (directory / "from.db").string() +
            "\", statement = \"select * from numbers where n >= :least\" }\n[sinks.done]\ntask = "
            "\"tenon.discard\"\ninputs = [\"find\"]\n");
  const Ended ended = tenon::test::tenon({"run", (directory / "expand.toml").string(), "--json"});
  INFO(ended.error);
  CHECK(ended.exit == 0);
  CHECK(items_in(ended, "done") == 4);  // 98, 99, 100, and 100 again.
}

TEST_CASE("sql: a database that is locked for a while delays the run") {
  const TemporaryDirectory directory;
  make_numbers(directory / "from.db", 500);
  Connection copy(directory / "to.db");
  copy.run("create table copies (n, square); begin immediate");
  write(directory / "copy.toml", copying(directory.path(), ", key = [\"n\"]", ", busy_timeout_ms = 100"));
  Program program({"run", (directory / "copy.toml").string()});
  std::this_thread::sleep_for(std::chrono::milliseconds(700));
  CHECK(program.running());
  copy.run("commit");
  const int code = program.wait();
  INFO(program.error());
  CHECK(code == 0);
  check_copied(directory.path(), 500);
}

TEST_CASE("sql: a database that stays locked ends the run and is named") {
  const TemporaryDirectory directory;
  make_numbers(directory / "from.db", 500);
  Connection copy(directory / "to.db");
  copy.run("create table copies (n, square); begin immediate");
  write(directory / "copy.toml", copying(directory.path(), ", key = [\"n\"]", ", busy_timeout_ms = 10"));
  const Ended ended = tenon::test::tenon({"run", (directory / "copy.toml").string()});
  INFO(ended.error);
  CHECK(ended.exit == 1);
  CHECK(has(ended.error, "to.db': is locked by another connection for more than 10 ms; end the program"));
}

TEST_CASE("sql: broken rows and missing tables end the run with the place") {
  const TemporaryDirectory directory;
  make_numbers(directory / "from.db", 500);
  Connection copy(directory / "to.db");
  copy.run("create table copies (n integer check (n <> 321), square)");
  write(directory / "copy.toml", copying(directory.path(), ", key = [\"n\"]", ""));
  Ended ended = tenon::test::tenon({"run", (directory / "copy.toml").string()});
  INFO(ended.error);
  CHECK(ended.exit == 1);
  CHECK(has(ended.error, "to.db', table 'copies': row 321 {\"n\":321,\"square\":103041}: CHECK constraint failed"));
  CHECK(copy.value("select count(*) from copies") == "0");
  ended = tenon::test::tenon(
      {"run", (directory / "copy.toml").string(), "--set", "sources.rows.params.statement=select * from nix"});
  CHECK(ended.exit == 1);
  CHECK(has(ended.error, "from.db': the statement is not valid"));
  CHECK(has(ended.error, "no such table: nix"));
}
