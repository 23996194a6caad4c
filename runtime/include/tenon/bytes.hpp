/// tenon/bytes.hpp: borrowed and owned bytes.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace tenon {

/// Borrowed bytes; valid for as long as the declaration that returns them says.
using BytesView = std::span<const std::uint8_t>;
/// Borrowed, writable bytes.
using MutableBytesView = std::span<std::uint8_t>;
/// Owned bytes.
using Buffer = std::vector<std::uint8_t>;

}  // namespace tenon
