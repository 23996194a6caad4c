/// base/json.hpp: the one way in which tenon writes JSON. A document is built as a tree; `json_text` writes it. The
/// names in it are those of the fields of the C++ structs (tools/tenon/JSON.md lists them).
///
/// Only sources that build or read a tree include <nlohmann/json.hpp>, because it is large.
#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

#include <tenon/error.hpp>

namespace tenon::internal {

/// Keeps the order in which names were added.
using Json = nlohmann::ordered_json;

/// The document with `indent` spaces per level; on one line if `indent` is negative. Without a newline at the end.
/// The text is valid UTF-8: U+FFFD replaces bytes that are not. [any-thread]
[[nodiscard]] std::string json_text(const Json& document, int indent = 2);

/// Code, message and the parts of the context that are known.
[[nodiscard]] Json to_json(const Error& error);

}  // namespace tenon::internal
