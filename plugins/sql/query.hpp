/// Runs a statement and returns its rows, page by page if they have a key.
#pragma once

#include <sqlite3.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <tenon/types_generated.h>

#include "rows/record_builder.hpp"
#include "sql/database.hpp"
#include "sql_generated.h"

namespace sql {

/// An owned value of SQLite, which stays valid when its statement continues.
class Cell {
 public:
  /// Copies a value. Throws std::bad_alloc.
  explicit Cell(sqlite3_value* value);

  [[nodiscard]] sqlite3_value* raw() const noexcept { return value_.get(); }
  [[nodiscard]] ValueKind kind() const noexcept { return kind_; }
  [[nodiscard]] std::int64_t integer() const noexcept { return ::sqlite3_value_int64(raw()); }
  [[nodiscard]] double number() const noexcept { return ::sqlite3_value_double(raw()); }
  /// The bytes of a text or blob; valid as long as the cell.
  [[nodiscard]] std::string_view bytes() const noexcept { return bytes_; }

 private:
  struct Free {
    void operator()(sqlite3_value* value) const noexcept { ::sqlite3_value_free(value); }
  };
  std::unique_ptr<sqlite3_value, Free> value_;
  ValueKind kind_;
  std::string_view bytes_;
};

using Row = std::vector<Cell>;

/// The rows of a query from a position. With a key, it reads a page at a time, and holds no lock
/// between pages. Without one, it runs the statement once and holds a reader's lock until its end.
/// Not thread-safe.
class Query {
 public:
  /// Borrows everything. `position` is where to continue; next() advances it. Throws TaskError as
  /// Database and Statement; TENON_INVALID_ARGUMENT for params that do not fit.
  Query(const tenon::Call& call, const tenon::Record& argument, const QueryParams& params, QueryPositionT& position);

  /// Skips the rows before the position if the statement must return them again; at most `most` of them in this call.
  /// Returns whether all are skipped, which must be so before next(). Throws TaskError: as next().
  bool repeat(std::uint64_t most);
  /// Returns the next row, valid until the following call; null at the end. Throws TaskError: as
  /// Database::fail; TENON_INVALID_ARGUMENT for a key that is null or not unique; TENON_FAILED if a
  /// repeated statement does not return the rows before `position` again, or if the columns of the result have
  /// changed; TENON_TOO_LARGE.
  const Row* next();
  /// Adds the row to a record.
  void build(const Row& row, tenon::rows::RecordBuilder& record) const;
  /// About the size of the row as a record.
  [[nodiscard]] std::size_t size_bytes(const Row& row) const noexcept;

 private:
  void read_columns();
  void bind_parameters(Statement& statement);
  void bind_value(Statement& statement, int parameter, std::string_view name);
  [[nodiscard]] std::string page_statement(bool first) const;
  /// Decides how pages compare keys, and warns if SQLite sorts the rows for each page.
  void read_plan();
  /// Runs a step of the statement. After the first one, checks that the result has the columns of read_columns():
  /// SQLite prepares a statement again if the schema has changed.
  bool step(bool first);
  void check_columns();
  /// Checks that the statement uses each of `values`, and that none is there twice.
  void check_values(Statement& statement);
  void start_page();
  void read_page();
  /// Adds the row at which the statement stands to the page; returns its size in bytes.
  std::size_t add_row();
  void check_key(const Row& row) const;
  void advance(const Row& row);
  [[nodiscard]] bool has_key() const noexcept { return !key_columns_.empty(); }
  [[nodiscard]] std::string key_text(const Row& row) const;

  const tenon::Record& argument_;
  const QueryParams& params_;
  QueryPositionT& position_;
  Database database_;
  std::string text_;  ///< The statement without a semicolon at its end.
  std::vector<std::string> columns_;
  std::vector<std::size_t> key_columns_;
  std::size_t fixed_bytes_ = 64;
  std::optional<Statement> statement_;
  bool continues_ = false;  ///< Whether statement_ is the one for pages after the first.
  /// Whether SQLite could convert the keys of some rows before it compares them.
  bool converts_keys_ = false;
  bool started_ = false;  ///< Without a key: whether the statement has made its first step.
  bool ended_ = false;
  std::uint64_t repeated_rows_ = 0;
  std::uint64_t repeated_digest_ = 0;
  std::deque<Row> page_;
  std::optional<Row> current_;
};

}  // namespace sql
