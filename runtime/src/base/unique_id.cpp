#include "base/unique_id.hpp"

#include <array>
#include <random>
#include <span>

#include "base/text.hpp"

namespace tenon::internal {

std::string random_name() {
  std::random_device random;
  std::array<std::uint8_t, 8> bytes{};
  for (std::uint8_t& byte : bytes) {
    byte = static_cast<std::uint8_t>(random() & 0xffu);
  }
  return to_hex(bytes);
}

}  // namespace tenon::internal
