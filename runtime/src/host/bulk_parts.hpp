/// host/bulk_parts.hpp: the calls over which the items of one bulk call are spread.
#pragma once

#include <cstdint>

#include "host/call.hpp"

namespace tenon::internal {

/// Adds a call to the list of those that have items of its work (BulkParts::first).
void link_part(Call& call) noexcept;
/// Takes it out of that list.
void unlink_part(Call& call) noexcept;
/// A further call with the items from index `from` on, which `call` then has no more.
[[nodiscard]] CallRef split_items(Call& call, std::uint32_t from);

}  // namespace tenon::internal
