/// Lays out the text of a pipeline file in the usual way.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "pipeline/diagnostics.hpp"
#include "pipeline/document.hpp"

namespace tenon::internal {

/// Returns a text of at most kMaxDocumentBytes with the usual spaces, blank lines and quotes. The
/// order of the file, its comments, its line breaks inside arrays and its values stay; the result of
/// a text that is a result already is the same text. Returns nullopt after reporting an error: the
/// text is not TOML.
[[nodiscard]] std::optional<std::string> format_document(std::string_view text, Reporter& reporter);

/// Returns whether two trees have the same keys and values in the same order, wherever they are
/// written.
[[nodiscard]] bool same_document(const Value& one, const Value& other);

}  // namespace tenon::internal
