/// Writes records into a table.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sql/database.hpp"
#include "sql/waiting_rows.hpp"
#include "sql_generated.h"

namespace sql {

/// Writes rows in transactions, each within one call of write(), so that no lock is held after the call. Not
/// thread-safe.
class TableWriter {
 public:
  /// Opens the database. Borrows everything. Throws TaskError: as Database; TENON_NOT_FOUND without the table, unless
  /// `create` is set; TENON_INVALID_ARGUMENT for params that do not fit the table.
  TableWriter(const tenon::Call& call, const InsertParams& params);

  /// Writes all rows of `state` in one transaction, removes them from it and advances its progress.
  /// Rows that an earlier attempt of the session has committed are not written again. If it throws,
  /// nothing was written, and `state` is as before. Throws TaskError: as Database::fail;
  /// TENON_INVALID_ARGUMENT for a broken row, unless they are skipped; TENON_NOT_FOUND without the
  /// table.
  void write(InsertState& state);
  /// Whether the table was there at the last look.
  [[nodiscard]] bool has_table() const noexcept { return !columns_.empty(); }
  /// Makes the table without rows if it is missing and params name columns; otherwise logs a warning. Throws TaskError
  /// as Database::fail.
  void require_table();
  /// Whether a session with this name has recorded its progress. Throws TaskError as Database::fail.
  [[nodiscard]] bool has_committed(const std::string& session) { return read_progress(session).has_value(); }

 private:
  /// How a column takes values.
  enum class Affinity { kAny, kText, kInteger, kNumber, kReal, kBlob };
  /// The statement for rows with these fields.
  struct RowStatement {
    std::vector<std::string> fields;
    std::vector<Affinity> affinities;
    Statement statement;
    std::string broken;  ///< What is wrong with each row that has these fields; empty if nothing is.
  };
  enum class Outcome { kWritten, kKept, kBroken };

  /// Runs `work` in a transaction.
  template <typename Work>
  void transaction(const Work& work);
  void commit();
  Progress write_all(InsertState& state);
  /// Reads or makes the table if the schema has changed since the last look.
  void prepare_table(const WaitingRows& rows);
  [[nodiscard]] std::int64_t schema_version();
  void read_table();
  /// Throws TaskError TENON_INVALID_ARGUMENT unless the table has a unique index of the columns of `key`.
  void check_key();
  void create_table(const WaitingRows& rows);
  [[nodiscard]] std::optional<Progress> read_progress(const std::string& session);
  void save_progress(const std::string& session, const Progress& progress);
  Outcome write_row(const tenon::Record& row, std::uint64_t number);
  RowStatement& statement_for(const tenon::Record& row);
  /// Returns what is wrong with the fields of a row; otherwise adds their affinities.
  std::string check_fields(const std::vector<std::string>& fields, std::vector<Affinity>& affinities) const;
  [[nodiscard]] std::string insert_statement(const std::vector<std::string>& fields) const;
  /// Binds a value. Returns what is wrong with it; nothing if it fits.
  std::string bind_number(RowStatement& target, std::size_t i, double value);
  std::string bind_text(RowStatement& target, std::size_t i, std::string_view text);
  /// Returns what is wrong with the values of a row.
  std::string bind(RowStatement& target, const tenon::Record& row);
  Outcome broken(const tenon::Record& row, std::uint64_t number, const std::string& why);
  [[nodiscard]] bool is_key(std::string_view name) const;
  [[nodiscard]] bool has_key() const noexcept { return params_.key() != nullptr && params_.key()->size() != 0; }
  /// Whether writing a row a second time would add it again, count as another row or be an error.
  [[nodiscard]] bool must_write_once() const noexcept { return !has_key() || params_.existing() != Existing::replace; }

  const tenon::Call& call_;
  const InsertParams& params_;
  std::string table_;
  Database database_;
  /// That of SQLite when the table was read; none if it must be read again.
  std::optional<std::int64_t> schema_version_;
  /// The columns of the table by their names in lower case, and their names in the table's order.
  std::unordered_map<std::string, Affinity> columns_;
  std::string column_names_;
  std::list<RowStatement> statements_;  ///< The last used first.
  std::uint64_t logged_ = 0;
};

}  // namespace sql
