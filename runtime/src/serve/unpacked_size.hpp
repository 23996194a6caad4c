/// How much memory a message takes once it is unpacked.
#pragma once

#include <cstddef>
#include <cstdint>

#include <flatbuffers/flatbuffers.h>

namespace tenon::internal {

/// Whether the strings, vectors and tables below a verified table, each counted as often as it is referred to, have at
/// most `limit_bytes`. In a message that refers to each part once they are parts of its bytes; one that refers to a
/// part many times would be copied many times. [any-thread]
[[nodiscard]] bool unpacks_within(const std::uint8_t* table, const flatbuffers::TypeTable& type,
                                  std::size_t limit_bytes);

}  // namespace tenon::internal
