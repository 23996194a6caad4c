/// JSON for machines. Included by .cpp files alone: the JSON library is large.
#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

#include <tenon/error.hpp>

namespace tenon::cli {

/// Code, message and the parts of the context that are known.
[[nodiscard]] nlohmann::ordered_json error_to_json(const Error& error);

/// Indented, valid UTF-8 whatever the strings hold, and a newline.
[[nodiscard]] std::string dump(const nlohmann::ordered_json& document);

}  // namespace tenon::cli
