/// Charts of an inventory as inline SVG, coloured by the page's style sheet.
#pragma once

#include <string>

#include "files_generated.h"

namespace files {

/// Horizontal bars: bytes of the largest extensions, with all others in one bar.
std::string extension_chart(const Inventory& inventory);

/// Columns: number of files in each size range.
std::string size_chart(const Inventory& inventory);

}  // namespace files
