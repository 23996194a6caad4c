/// A connection to a SQLite database, and its errors in words.
#pragma once

#include <sqlite3.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <tenon/plugin.hpp>

namespace sql {

/// How a database is opened.
struct DatabaseOptions {
  /// Whether statements may write. Even without it, opening may undo what a killed writer has left in the file.
  bool write = false;
  /// Whether a missing file is created; only with `write`.
  bool create = false;
  std::chrono::milliseconds busy_timeout{5000};
  /// Maximum size of a value and of a row, in bytes; at most what SQLite allows.
  std::uint64_t max_row_bytes = 1'000'000'000;
};

/// A connection. Long statements and waits for a lock end when the call must stop. Not thread-safe.
class Database {
 public:
  /// Opens the file at `path` and reads its header. Borrows `call`. Throws TaskError:
  /// TENON_NOT_FOUND; TENON_INVALID_ARGUMENT if it is not a regular file; and as fail().
  Database(std::string path, const DatabaseOptions& options, const tenon::Call& call);
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  ~Database();

  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  [[nodiscard]] const tenon::Call& call() const noexcept { return call_; }
  [[nodiscard]] sqlite3* raw() const noexcept { return connection_.get(); }

  /// Runs a statement without parameters; its rows are ignored. Throws as fail().
  void run(const std::string& statement);

  /// Throws a TaskError for the last error of SQLite. `what` says what failed, as in "cannot read".
  /// TENON_UNAVAILABLE if the database is locked; TENON_CORRUPT if it is damaged; TENON_IO;
  /// TENON_TOO_LARGE; TENON_OUT_OF_MEMORY; TENON_CANCELLED and TENON_DEADLINE if the call must stop;
  /// TENON_INVALID_ARGUMENT for what the statement or the data does wrong.
  [[noreturn]] void fail(std::string_view what) const;

 private:
  struct Close {
    void operator()(sqlite3* connection) const noexcept { ::sqlite3_close_v2(connection); }
  };
  /// Called by SQLite while the database is locked; returns 0 to give up.
  static int wait(void* self, int attempts) noexcept;
  void check_file() const;

  std::string path_;
  DatabaseOptions options_;
  const tenon::Call& call_;
  std::chrono::steady_clock::time_point waits_since_;
  std::unique_ptr<sqlite3, Close> connection_;
};

/// A prepared statement. Must not outlive its database. Not thread-safe.
class Statement {
 public:
  /// Prepares exactly one statement. Throws TaskError TENON_INVALID_ARGUMENT with the position of a
  /// mistake in `text`, and as Database::fail.
  Statement(Database& database, std::string_view text);

  /// Runs the statement to its next row; false at the end. Throws as Database::fail.
  bool step();
  /// The same, but returns SQLite's code: SQLITE_ROW, SQLITE_DONE or an error.
  int try_step() noexcept { return ::sqlite3_step(raw()); }
  /// Ends the run, and with it the lock of a reader. The parameters keep their values.
  void reset() noexcept { ::sqlite3_reset(raw()); }

  /// Values of the parameters, numbered from 1. Text is borrowed until the next value or run.
  void bind(int parameter, std::int64_t value) { check(::sqlite3_bind_int64(raw(), parameter, value)); }
  void bind(int parameter, double value) { check(::sqlite3_bind_double(raw(), parameter, value)); }
  void bind_null(int parameter) { check(::sqlite3_bind_null(raw(), parameter)); }
  void bind_text(int parameter, std::string_view value);
  void bind_blob(int parameter, std::string_view value);
  /// The same as bind_text, but the text is copied.
  void bind_text_copy(int parameter, std::string_view value);
  /// The number of a parameter; 0 if there is none with this name.
  [[nodiscard]] int parameter(const char* name) const noexcept { return ::sqlite3_bind_parameter_index(raw(), name); }

  [[nodiscard]] int column_count() const noexcept { return ::sqlite3_column_count(raw()); }
  [[nodiscard]] std::int64_t integer(int column) noexcept { return ::sqlite3_column_int64(raw(), column); }
  /// Valid until the next step.
  [[nodiscard]] std::string_view text(int column) noexcept;

  /// How many bytes of the text the statement has, with its semicolon, without comments after it.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] sqlite3_stmt* raw() const noexcept { return statement_.get(); }

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const noexcept { ::sqlite3_finalize(statement); }
  };
  void check(int code) const;

  Database* database_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  std::size_t size_ = 0;
};

/// `name` as an identifier of SQL, in quotes.
std::string identifier(std::string_view name);

/// `name` in lower case. SQLite ignores the case of ASCII letters in names.
std::string lower(std::string_view name);

}  // namespace sql
