/// host/bulk_parts.hpp: the calls over which the items of one bulk call are spread.
#pragma once

#include <cstdint>

#include "host/call.hpp"

namespace tenon::internal {

/// Adds a call to the list of the calls that have items of its work (BulkParts::first).
void link_part(Call& call) noexcept;
/// Removes it from that list.
void unlink_part(Call& call) noexcept;
/// Splits off a new call that takes over the items of `call` from index `from` on.
[[nodiscard]] CallRef split_items(Call& call, std::uint32_t from);

}  // namespace tenon::internal
