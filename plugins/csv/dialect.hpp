/// What separates and encloses the fields of a file.
#pragma once

#include <string_view>

#include "rows/csv_rows.hpp"

namespace csv {

using Dialect = tenon::rows::CsvDialect;

/// The dialect that params ask for. An empty `separator` is a tab for a `path` that ends in `.tsv`
/// or `.tab`, packed or not, and otherwise a comma. Throws TaskError TENON_INVALID_ARGUMENT for a
/// param that is not one ASCII character, and if both are the same.
Dialect dialect_of(std::string_view separator, std::string_view quote, std::string_view path);

}  // namespace csv
