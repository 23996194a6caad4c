/// ipc/sealed_count.hpp: a count in shared memory that shows when something else was written over it.
///
/// A plugin's stray write may hit any word of a worker's segment. What the host decides by (what has begun, what is
/// done) must then be known as damaged, and never be taken for another count. So the count and a check of it share one
/// word: they change by one store, and no reader sees one without the other.
#pragma once

#include <cstdint>
#include <optional>

namespace tenon::internal {

/// Which word it is: a copy of one sealed word over another is damage too.
enum class Seal : std::uint64_t {
  kBegun = 0x5bd1e995'7f4a7c15,
  kItemsBegun = 0x2545f491'4f6cdd1d,
  kItemsDone = 0x9e6c63d0'876a9a99,
  kItemsAnswered = 0x7b1699a7'b9b4be0d,
  kReturned = 0x6c62272e'07bb0142,
  kUnrepeatable = 0x3c6ef372'fe94f82b,
};

inline constexpr int kSealedBits = 40;
inline constexpr std::uint64_t kSealedMask = (std::uint64_t{1} << kSealedBits) - 1;

/// The word for the low 40 bits of `count`. WIRE.
[[nodiscard]] constexpr std::uint64_t put_seal(Seal which, std::uint64_t count) noexcept {
  count &= kSealedMask;
  // The top bits of a product depend on all bits below them.
  const std::uint64_t mixed = (count ^ static_cast<std::uint64_t>(which)) * 0x9e3779b9'7f4a7c15;
  return count | ((mixed >> kSealedBits) << kSealedBits);
}
/// The 40 bits of a word that is whole; nullopt for a damaged one.
[[nodiscard]] constexpr std::optional<std::uint64_t> open_seal(Seal which, std::uint64_t word) noexcept {
  const std::uint64_t count = word & kSealedMask;
  return put_seal(which, count) == word ? std::optional(count) : std::nullopt;
}

/// A position in the ring and an item of the bulk call there, in 40 bits. Positions repeat after 134 million, which is
/// far beyond what a ring holds.
struct ItemPlace {
  static constexpr int kItemBits = 13;
  static constexpr std::uint64_t kPositionMask = kSealedMask >> kItemBits;
  /// Instead of a number of items: nothing is known yet.
  static constexpr std::uint32_t kNone = (1u << kItemBits) - 1;

  std::uint64_t position = 0;  ///< The low 27 bits.
  std::uint32_t item = 0;

  [[nodiscard]] static constexpr std::uint64_t pack(std::uint64_t position, std::uint32_t item) noexcept {
    return ((position & kPositionMask) << kItemBits) | (item & kNone);
  }
  [[nodiscard]] static constexpr ItemPlace unpack(std::uint64_t packed) noexcept {
    return {packed >> kItemBits, static_cast<std::uint32_t>(packed & kNone)};
  }
  [[nodiscard]] constexpr bool is_at(std::uint64_t full_position) const noexcept {
    return position == (full_position & kPositionMask);
  }
};

}  // namespace tenon::internal
