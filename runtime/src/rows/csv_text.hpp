/// Writes the fields of a table.
#pragma once

#include <string>
#include <string_view>

#include <tenon/types_generated.h>

#include "rows/csv_rows.hpp"

namespace tenon::rows {

/// Appends a value, in quotes if it needs them. Null values, and a field that is null, are empty.
/// Text that would read as another value is quoted too. Returns what is wrong, as in "contains a
/// separator ..."; empty if nothing is.
[[nodiscard]] std::string append_csv_value(std::string& out, const tenon::RecordField* field,
                                           const CsvDialect& dialect);
/// The same for the name of a column.
[[nodiscard]] std::string append_csv_name(std::string& out, std::string_view name, const CsvDialect& dialect);

}  // namespace tenon::rows
