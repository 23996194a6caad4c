/// The JSON that --json prints; JSON.md documents it.
#pragma once

#include <string>

#include "base/json.hpp"

namespace tenon::cli {

using internal::Json;

/// A document of its own: indented, with a newline at the end. Valid UTF-8 whatever the strings hold.
[[nodiscard]] std::string dump(const Json& document);
/// The same on one line, for streams of documents.
[[nodiscard]] std::string dump_line(const Json& document);

}  // namespace tenon::cli
