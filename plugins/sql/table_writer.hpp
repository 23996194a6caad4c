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
  /// Opens the database. Borrows everything. Throws TaskError as Database.
  TableWriter(const tenon::Call& call, const InsertParams& params);

  /// Writes all rows of `state` in one transaction, removes them from it and advances its progress.
  /// Rows that an earlier attempt of the session has committed are not written again. If it throws,
  /// nothing was written, and `state` is as before. Throws TaskError: as Database::fail;
  /// TENON_INVALID_ARGUMENT for a broken row, unless they are skipped; TENON_NOT_FOUND without the
  /// table.
  void write(InsertState& state);
  /// Whether a session with this name has recorded its progress. Throws TaskError as Database::fail.
  [[nodiscard]] bool has_committed(const std::string& session) { return read_progress(session).has_value(); }

 private:
  /// How a column takes values.
  enum class Affinity { kAny, kInteger, kReal, kBlob };
  /// The statement for rows with these fields.
  struct RowStatement {
    std::vector<std::string> fields;
    std::vector<Affinity> affinities;
    Statement statement;
    std::string broken;  ///< What is wrong with each row that has these fields; empty if nothing is.
  };
  enum class Outcome { kWritten, kKept, kBroken };

  Progress write_all(InsertState& state);
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
  /// Returns what is wrong with the values of a row.
  std::string bind(RowStatement& target, const tenon::Record& row);
  Outcome broken(const tenon::Record& row, std::uint64_t number, const std::string& why);
  [[nodiscard]] bool is_key(std::string_view name) const;
  [[nodiscard]] bool has_key() const noexcept { return params_.key() != nullptr && params_.key()->size() != 0; }
  /// Whether writing a row a second time would add it again or be an error.
  [[nodiscard]] bool must_write_once() const noexcept { return !has_key() || params_.existing() == Existing::refuse; }

  const tenon::Call& call_;
  const InsertParams& params_;
  std::string table_;
  Database database_;
  bool begun_ = false;
  /// The columns of the table by their names in lower case, and their names in the table's order.
  std::unordered_map<std::string, Affinity> columns_;
  std::string column_names_;
  std::list<RowStatement> statements_;  ///< The last used first.
  std::uint64_t logged_ = 0;
};

}  // namespace sql
