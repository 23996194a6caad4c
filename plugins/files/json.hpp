/// Inventories and duplicates as JSON.
///
/// JSON is UTF-8, and file names are arbitrary bytes. A path that is not UTF-8 has U+FFFD for each
/// invalid byte, and a second field, `path_base64`, contains the exact bytes.
#pragma once

#include <string>

#include "common/poll.hpp"
#include "files_generated.h"

namespace files {

/// Each file's digest is in a field named after the algorithm, as in `"sha256": "..."`.
/// `list_files` selects whether all files are listed.
std::string inventory_to_json(const Inventory& inventory, bool list_files, const tenon::plugins::Poll& poll);

std::string duplicates_to_json(const Duplicates& duplicates, const tenon::plugins::Poll& poll);

}  // namespace files
