/// The messages of the stress tests: a sequence number, bytes that follow from it, and their
/// checksum.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>

#include <tenon/bytes.hpp>

namespace tenon::test {

struct StressMessage {
  std::uint64_t sequence = 0;
  std::uint64_t checksum = 0;
  std::array<std::uint8_t, 48> noise{};

  [[nodiscard]] static std::uint64_t checksum_of(const StressMessage& message) noexcept {
    std::uint64_t sum = 0xcbf29ce484222325u ^ message.sequence;
    for (const std::uint8_t byte : message.noise) {
      sum = (sum ^ byte) * 0x100000001b3u;
    }
    return sum;
  }
  [[nodiscard]] static StressMessage make(std::uint64_t sequence) noexcept {
    StressMessage message;
    message.sequence = sequence;
    std::uint64_t state = sequence * 0x9e3779b97f4a7c15u + 1;
    for (std::uint8_t& byte : message.noise) {
      state ^= state << 13;
      state ^= state >> 7;
      state ^= state << 17;
      byte = static_cast<std::uint8_t>(state);
    }
    message.checksum = checksum_of(message);
    return message;
  }
  /// Returns whether the bytes are a complete message with that number.
  [[nodiscard]] static bool check(BytesView bytes, std::uint64_t sequence) noexcept {
    StressMessage message;
    if (bytes.size() != sizeof message) {
      return false;
    }
    std::memcpy(&message, bytes.data(), sizeof message);
    return message.sequence == sequence && message.checksum == checksum_of(message);
  }
  [[nodiscard]] BytesView bytes() const noexcept {
    return BytesView(reinterpret_cast<const std::uint8_t*>(this), sizeof *this);
  }
};
static_assert(sizeof(StressMessage) == 64);

}  // namespace tenon::test
