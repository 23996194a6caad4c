/// What tests ask of a text.
#pragma once

#include <string_view>

namespace tenon::test {

/// Returns whether `text` contains `part`.
inline bool has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

}  // namespace tenon::test
