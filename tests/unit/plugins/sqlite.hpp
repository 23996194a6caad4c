/// A database for the tests of the plugin `sql`, seen by SQLite itself.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <tenon/types_generated.h>
#include <tenon/plugin_test.hpp>

#include "rows/record_builder.hpp"
#include "tenon_test/catch.hpp"

namespace tenon::test {

class Sqlite {
 public:
  explicit Sqlite(const std::filesystem::path& path) {
    sqlite3* raw = nullptr;
    const int code = ::sqlite3_open(path.c_str(), &raw);
    connection_.reset(raw);
    REQUIRE(code == SQLITE_OK);
    // The tests need no protection from a power failure.
    run("pragma synchronous = off");
  }

  /// Runs statements and returns SQLite's code.
  int try_run(const std::string& statements) {
    return ::sqlite3_exec(connection_.get(), statements.c_str(), nullptr, nullptr, nullptr);
  }
  void run(const std::string& statements) {
    const int code = try_run(statements);
    INFO(statements);
    INFO(::sqlite3_errmsg(connection_.get()));
    REQUIRE(code == SQLITE_OK);
  }
  /// The rows of a statement, with `|` between values, as SQLite prints them.
  std::vector<std::string> rows(const std::string& statement) {
    std::vector<std::string> all;
    const int code = ::sqlite3_exec(
        connection_.get(), statement.c_str(),
        [](void* to, int count, char** values, char**) {
          std::string row;
          for (int i = 0; i < count; ++i) {
            row += (i == 0 ? "" : "|") + std::string(values[i] == nullptr ? "NULL" : values[i]);
          }
          static_cast<std::vector<std::string>*>(to)->push_back(row);
          return 0;
        },
        &all, nullptr);
    INFO(::sqlite3_errmsg(connection_.get()));
    REQUIRE(code == SQLITE_OK);
    return all;
  }
  std::string value(const std::string& statement) {
    const auto all = rows(statement);
    REQUIRE(all.size() == 1);
    return all.front();
  }

 private:
  struct Close {
    void operator()(sqlite3* connection) const noexcept { ::sqlite3_close(connection); }
  };
  std::unique_ptr<sqlite3, Close> connection_;
};

using FieldValue = std::variant<std::nullptr_t, bool, std::int64_t, double, std::string>;

/// A record; an integer is written as `5L`.
inline Block record(const std::vector<std::pair<std::string, FieldValue>>& fields) {
  flatbuffers::FlatBufferBuilder builder;
  rows::RecordBuilder record;
  record.start(builder);
  for (const auto& [name, value] : fields) {
    switch (value.index()) {
      case 0:
        record.null(name);
        break;
      case 1:
        record.boolean(name, std::get<bool>(value));
        break;
      case 2:
        record.integer(name, std::get<std::int64_t>(value));
        break;
      case 3:
        record.number(name, std::get<double>(value));
        break;
      default:
        record.text(name, std::get<std::string>(value));
    }
  }
  builder.Finish(record.finish());
  return Block(builder);
}

inline void check_sql_error(const Outcome& outcome, tenon_status_t code, const std::string& part) {
  INFO(outcome.message);
  CHECK(outcome.status == code);
  CHECK(outcome.message.find(part) != std::string::npos);
}

}  // namespace tenon::test
