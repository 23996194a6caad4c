#include "platform/user.hpp"

#include <unistd.h>

namespace tenon::internal {

std::uint32_t current_user_id() noexcept {
  return ::geteuid();
}

}  // namespace tenon::internal
