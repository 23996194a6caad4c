/// Writes records as rows.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <tenon/types_generated.h>
#include <tenon/plugin.hpp>

#include "common/poll.hpp"
#include "common/row_output.hpp"
#include "csv/dialect.hpp"
#include "csv_generated.h"

namespace csv {

/// The state of a session of `write`, which is also its checkpoint. Functions throw TaskError: as
/// RowOutput; TENON_INVALID_ARGUMENT for params, and for a row that does not fit the columns. Not
/// thread-safe.
class TableWriter {
 public:
  /// Opens the file, or continues where the checkpoint was taken. Called once, first. Borrows both
  /// for the life of the session.
  void open(const tenon::Call& call, const WriteParams& params);
  /// Writes a row. `item` is its number, from 1, for messages.
  void add(const tenon::Record& record, std::uint64_t item);
  tenon::FileT finish();

  /// Saves the checkpoint, after writing what it counts.
  [[nodiscard]] std::vector<std::uint8_t> save() const;
  static TableWriter load(std::span<const std::uint8_t> bytes);

 private:
  void start();
  /// The first row of the file to which rows are appended; none if it has no rows.
  [[nodiscard]] std::optional<std::vector<std::string>> first_row() const;
  /// Throws TaskError TENON_INVALID_ARGUMENT unless `why` is empty.
  void require_good(const std::string& why) const;
  /// As set_columns, but throws.
  void name_columns(std::vector<std::string> names);
  void end_row();
  /// These return what is wrong; empty if nothing is.
  std::string set_columns(std::vector<std::string> names);
  /// Names the columns after the first row.
  std::string begin(const tenon::Record& first);
  std::string write_header();
  std::string arrange(const tenon::Record& record);
  std::string append_row();

  const tenon::Call* call_ = nullptr;
  const WriteParams* params_ = nullptr;
  tenon::plugins::Poll poll_;
  Dialect dialect_;
  std::unique_ptr<tenon::plugins::RowOutput> output_;
  /// The part of the state that is saved; its position in the file is that of the last load.
  std::unique_ptr<WritePositionT> state_ = std::make_unique<WritePositionT>();
  /// The places of the columns by their names, which are in the state.
  std::unordered_map<std::string_view, std::size_t> places_;
  /// The fields of the current row by column.
  std::vector<const tenon::RecordField*> row_;
};

}  // namespace csv
