/// Computes how much memory a message uses after unpacking.
#pragma once

#include <cstddef>
#include <cstdint>

#include <flatbuffers/flatbuffers.h>

namespace tenon::internal {

/// Returns whether the strings, vectors and tables below a verified table total at most
/// `limit_bytes`. Each is counted as often as it is referred to. A message that refers to each part
/// once unpacks to its own bytes; a message that refers to a part many times would be copied many
/// times. [any-thread]
[[nodiscard]] bool unpacks_within(const std::uint8_t* table, const flatbuffers::TypeTable& type,
                                  std::size_t limit_bytes);

}  // namespace tenon::internal
