/// Charts of an inventory as inline SVG, coloured by the page's style.
#pragma once

#include <string>

#include "files_generated.h"

namespace files {

/// Horizontal bars: bytes of the extensions that take most, the rest in one bar.
std::string extension_chart(const Inventory& inventory);

/// Columns: number of files in each range of sizes.
std::string size_chart(const Inventory& inventory);

}  // namespace files
