/// base/short_hash.hpp: the abbreviated form of a hash, for people to read and type.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tenon::internal {

/// The first 12 hexadecimal digits of a SHA-256; a shorter text is returned whole. [any-thread]
[[nodiscard]] inline std::string short_hash(std::string_view sha256) {
  constexpr std::size_t kDigits = 12;
  return std::string(sha256.substr(0, kDigits));
}

}  // namespace tenon::internal
