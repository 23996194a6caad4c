/// Who runs this process.
#pragma once

#include <cstdint>

namespace tenon::internal {

/// Number of the user with whose rights this process acts; compares with FileIdentity::owner. [any-thread]
[[nodiscard]] std::uint32_t current_user_id() noexcept;

}  // namespace tenon::internal
