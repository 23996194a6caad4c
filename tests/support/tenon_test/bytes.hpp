/// Texts as bytes.
#pragma once

#include <cstdint>
#include <string_view>

#include <tenon/bytes.hpp>

namespace tenon::test {

/// Returns the bytes of `text`, which must outlive them.
inline BytesView bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

}  // namespace tenon::test
