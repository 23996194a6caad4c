#include "common/byte_finder.hpp"

#include <bit>
#include <cstdint>
#include <cstring>
#include <utility>

#include "common/byte_block.hpp"

namespace tenon::plugins {
namespace {

/// How often a byte occurs in ordinary text and code: 0 is rare. A wrong guess costs only time.
std::size_t frequency(char byte) noexcept {
  constexpr std::string_view kFromRare =
      "~`^@$%&#|\\{}[]<>?!ZXQJKVYGWBHUFq+*zjLxPDRMONEACTSI;'\"=:/()kvw5678943210b_-gyp,f.mchudlrnsioa\nte ";
  const auto rank = kFromRare.find(byte);
  return rank == std::string_view::npos ? 0 : rank + 1;
}

}  // namespace

ByteFinder::ByteFinder(std::string wanted) : wanted_(std::move(wanted)) {
  for (std::size_t i = 1; i < wanted_.size(); ++i) {
    if (frequency(wanted_[i]) < frequency(wanted_[first_])) {
      first_ = i;
    }
  }
  second_ = first_ == 0 && wanted_.size() > 1 ? 1 : 0;
  for (std::size_t i = 0; i < wanted_.size(); ++i) {
    if (i != first_ && frequency(wanted_[i]) < frequency(wanted_[second_])) {
      second_ = i;
    }
  }
}

std::size_t ByteFinder::find(std::string_view text) const noexcept {
  const std::size_t size = wanted_.size();
  if (text.size() < size) {
    return std::string_view::npos;
  }
  const auto first = static_cast<std::uint8_t>(wanted_[first_]);
  const auto second = static_cast<std::uint8_t>(wanted_[second_]);
  std::size_t at = 0;
  for (; text.size() - at >= size - 1 + ByteBlock::kSize; at += ByteBlock::kSize) {
    const char* here = text.data() + at;
    // All four parts are tested at once, because most blocks have no candidate.
    internal::Bytes16 any{};
    for (std::size_t i = 0; i < ByteBlock::kSize; i += 16) {
      any |= reinterpret_cast<internal::Bytes16>((internal::load16(here + first_ + i) == first) &
                                                 (internal::load16(here + second_ + i) == second));
    }
    if (internal::high_bits(any) == 0) {
      continue;
    }
    std::uint64_t candidates = ByteBlock(here + first_).equal(first) & ByteBlock(here + second_).equal(second);
    for (; candidates != 0; candidates &= candidates - 1) {
      const auto offset = static_cast<std::size_t>(std::countr_zero(candidates));
      if (std::memcmp(here + offset, wanted_.data(), size) == 0) {
        return at + offset;
      }
    }
  }
  const void* found = ::memmem(text.data() + at, text.size() - at, wanted_.data(), size);
  return found == nullptr ? std::string_view::npos
                          : static_cast<std::size_t>(static_cast<const char*>(found) - text.data());
}

}  // namespace tenon::plugins
