/// The user of this process.
#pragma once

#include <cstdint>

namespace tenon::internal {

/// Effective user id of this process; comparable with FileIdentity::owner. [any-thread]
[[nodiscard]] std::uint32_t current_user_id() noexcept;

}  // namespace tenon::internal
