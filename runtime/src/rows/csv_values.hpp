/// The values of a table's fields.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "rows/csv_rows.hpp"
#include "rows/record_builder.hpp"

namespace tenon::rows {

/// The value of a field without a type: empty is null; `true` and `false`; an integer in decimal
/// without leading zeros or plus; a number with a fraction or exponent; otherwise text.
struct CsvValue {
  enum class Kind { kNull, kBool, kInteger, kNumber, kText };
  Kind kind = Kind::kText;
  bool boolean = false;
  std::int64_t integer = 0;
  double number = 0;
};
[[nodiscard]] CsvValue infer(std::string_view text) noexcept;

/// Adds the value of a field to a record. A field in quotes is text.
void add_inferred(std::string_view name, const CsvField& field, RecordBuilder& record);

/// These return the value of a whole text; nullopt if it is not one.
[[nodiscard]] std::optional<std::int64_t> integer_of(std::string_view text) noexcept;
[[nodiscard]] std::optional<double> number_of(std::string_view text) noexcept;
[[nodiscard]] std::optional<bool> boolean_of(std::string_view text) noexcept;
/// The words for numbers that have no digits. Only columns of numbers know them.
[[nodiscard]] std::optional<double> not_finite_of(std::string_view text) noexcept;

}  // namespace tenon::rows
