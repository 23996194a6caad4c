/// Columns: their names and types.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "csv/rows.hpp"
#include "csv_generated.h"
#include "rows/csv_values.hpp"
#include "rows/record_builder.hpp"

namespace csv {

/// Turns rows into records. Not thread-safe.
class Columns {
 public:
  /// `path` is for messages. Throws TaskError TENON_INVALID_ARGUMENT: `only` or `types` names a
  /// column that does not exist; a name occurs twice.
  Columns(const std::string& path, const std::vector<std::string>& names, const ReadParams& params);

  /// Adds the fields of a row to a record. Returns why the row is broken; empty if it is not.
  std::string add(std::span<const Field> row, tenon::rows::RecordBuilder& record) const;
  /// The bytes that a record needs beside those of its row.
  [[nodiscard]] std::size_t fixed_bytes() const noexcept { return fixed_bytes_; }

 private:
  struct Column {
    std::string name;
    Type type;
    bool wanted;
  };
  std::vector<Column> columns_;
  std::size_t fixed_bytes_ = 64;
};

using Value = tenon::rows::CsvValue;
using tenon::rows::infer;

}  // namespace csv
