/// Rows and their fields.
#pragma once

#include "rows/csv_rows.hpp"

namespace csv {

using Field = tenon::rows::CsvField;
using RowReader = tenon::rows::CsvRowReader;

}  // namespace csv
