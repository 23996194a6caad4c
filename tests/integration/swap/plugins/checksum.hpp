/// The checksum of a result, for the plugin and for the code that checks it.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>

namespace tenon::test {

/// FNV-1a over words of eight bytes, which is fast enough for payloads of megabytes.
inline std::uint64_t checksum(std::uint64_t sequence, std::span<const std::uint8_t> payload) {
  constexpr std::uint64_t kPrime = 0x100000001b3;
  std::uint64_t sum = (0xcbf29ce484222325 ^ sequence) * kPrime;
  std::size_t at = 0;
  for (; at + 8 <= payload.size(); at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, payload.data() + at, 8);
    sum = (sum ^ word) * kPrime;
  }
  for (; at < payload.size(); ++at) {
    sum = (sum ^ payload[at]) * kPrime;
  }
  return sum;
}

}  // namespace tenon::test
