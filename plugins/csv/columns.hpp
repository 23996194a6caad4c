/// Columns: their names and types.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/record_builder.hpp"
#include "csv/rows.hpp"
#include "csv_generated.h"

namespace csv {

/// Turns rows into records. Not thread-safe.
class Columns {
 public:
  /// `path` is for messages. Throws TaskError TENON_INVALID_ARGUMENT: `only` or `types` names a
  /// column that does not exist; a name occurs twice.
  Columns(const std::string& path, const std::vector<std::string>& names, const ReadParams& params);

  /// Adds the fields of a row to a record. Returns why the row is broken; empty if it is not.
  std::string add(std::span<const Field> row, tenon::plugins::RecordBuilder& record) const;
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

/// The value of a field without a type: empty is null; `true` and `false`; an integer in decimal
/// without leading zeros or plus; a number with a fraction or exponent; otherwise text.
struct Value {
  enum class Kind { kNull, kBool, kInteger, kNumber, kText };
  Kind kind = Kind::kText;
  bool boolean = false;
  std::int64_t integer = 0;
  double number = 0;
};
Value infer(std::string_view text) noexcept;

}  // namespace csv
