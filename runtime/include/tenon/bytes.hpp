/// tenon/bytes.hpp: borrowed and owned bytes.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace tenon {

/// Borrowed bytes; valid as long as the declaration that hands them out says.
using BytesView = std::span<const std::uint8_t>;
/// Borrowed bytes that may be written.
using MutableBytesView = std::span<std::uint8_t>;
/// Owned bytes.
using Buffer = std::vector<std::uint8_t>;

}  // namespace tenon
