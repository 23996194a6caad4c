/// The JSON that --json prints; JSON.md documents it.
#pragma once

#include <string>

#include "base/json.hpp"

namespace tenon::cli {

using internal::Json;

/// Returns an indented document with a newline at the end, which is valid UTF-8 for any strings.
[[nodiscard]] std::string dump(const Json& document);
/// Returns the document on one line, for streams of documents.
[[nodiscard]] std::string dump_line(const Json& document);

}  // namespace tenon::cli
