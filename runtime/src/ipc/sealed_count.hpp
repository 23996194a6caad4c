/// ipc/sealed_count.hpp: a count in shared memory that detects overwriting.
///
/// A plugin's stray write may hit any word of a worker's segment. The host decides by such words
/// (what has started, what is done), so damage must be detected and never read as another count.
/// The count and a check value therefore share one word: they change in one store, and no reader
/// sees one without the other.
#pragma once

#include <cstdint>
#include <optional>

namespace tenon::internal {

/// Identifies the word: a copy of one sealed word over another also counts as damage.
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

/// Seals the low 40 bits of `count` into a word. WIRE.
[[nodiscard]] constexpr std::uint64_t put_seal(Seal which, std::uint64_t count) noexcept {
  count &= kSealedMask;
  // The high bits of a product depend on all bits below them.
  const std::uint64_t mixed = (count ^ static_cast<std::uint64_t>(which)) * 0x9e3779b9'7f4a7c15;
  return count | ((mixed >> kSealedBits) << kSealedBits);
}
/// The 40 bits of an intact word; nullopt if it is damaged.
[[nodiscard]] constexpr std::optional<std::uint64_t> open_seal(Seal which, std::uint64_t word) noexcept {
  const std::uint64_t count = word & kSealedMask;
  return put_seal(which, count) == word ? std::optional(count) : std::nullopt;
}

/// A position in the ring and an item of the bulk call there, in 40 bits. Positions repeat after
/// 134 million, far more than a ring holds.
struct ItemPlace {
  static constexpr int kItemBits = 13;
  static constexpr std::uint64_t kPositionMask = kSealedMask >> kItemBits;
  /// Replaces the number of items while nothing is known yet.
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
