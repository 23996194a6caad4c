#include "pipeline/given_items.hpp"

#include <cstring>

namespace tenon::internal {
namespace {

__extension__ using Wide = unsigned __int128;

// Odd numbers with as many one bits as zero bits, as multiply-and-fold hashes need them.
constexpr std::uint64_t kFirst = 0xa0761d6478bd642fU;
constexpr std::uint64_t kSecond = 0xe7037ed1a0b428dbU;

std::uint64_t fold(std::uint64_t a, std::uint64_t b) noexcept {
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64U);
}

std::uint64_t word_at(const std::uint8_t* bytes) noexcept {
  std::uint64_t word = 0;
  std::memcpy(&word, bytes, sizeof word);
  return word;
}

/// Hashes two lanes of 16 bytes, so that hashing a large item takes about as long as reading it.
/// The hash detects changes in the data, not attacks: a malicious task can give wrong items in the
/// first place.
std::uint64_t hash_of(BytesView bytes) noexcept {
  constexpr std::size_t kBlock = 32;
  std::uint64_t a = kFirst ^ bytes.size();
  std::uint64_t b = kSecond;
  const std::uint8_t* at = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= kBlock; left -= kBlock, at += kBlock) {
    a = fold(word_at(at) ^ kFirst, word_at(at + 8) ^ a);
    b = fold(word_at(at + 16) ^ kSecond, word_at(at + 24) ^ b);
  }
  if (left > 0) {
    std::uint8_t rest[kBlock] = {};
    std::memcpy(rest, at, left);
    a = fold(word_at(rest) ^ kFirst, word_at(rest + 8) ^ a);
    b = fold(word_at(rest + 16) ^ kSecond, word_at(rest + 24) ^ b);
  }
  return fold(a ^ kSecond, b ^ kFirst);
}

}  // namespace

void GivenItems::gave(BytesView item) {
  hashes_.push_back(hash_of(item));
  at_ = hashes_.size();
}

void GivenItems::checkpointed() noexcept {
  hashes_.erase(hashes_.begin(), hashes_.begin() + static_cast<std::ptrdiff_t>(at_));
  at_ = 0;
}

bool GivenItems::repeats(BytesView item) noexcept {
  return hashes_[at_++] == hash_of(item);
}

}  // namespace tenon::internal
