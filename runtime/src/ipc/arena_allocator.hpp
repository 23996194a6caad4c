/// Allocates ranges of a region that it never touches.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include <tenon/error.hpp>

namespace tenon::internal {

/// A range of the region.
struct ArenaRange {
  std::uint64_t offset_bytes = 0;
  std::uint64_t size_bytes = 0;
  /// Locates the range's record in constant time when the range is freed.
  std::uint32_t tag = 0;
};

/// Two-level segregated fit over a region of up to 256 GiB. Allocate, trim and free take constant
/// time; at most an eighth is lost to size classes; adjacent free ranges are merged at once. All
/// records are private to this object: a writer of the region cannot damage them, and every tag and
/// offset that comes back is checked. One thread at a time.
class ArenaAllocator {
 public:
  /// Every range starts at a multiple of this and has a multiple of it as its size.
  static constexpr std::uint64_t kGranuleBytes = 64;

  /// `size_bytes` is rounded down to granules.
  explicit ArenaAllocator(std::uint64_t size_bytes);

  /// Allocates a range of at least `size_bytes` (zero allocates one granule). Errors: kOutOfMemory
  /// with the requested and free sizes; kTooLarge: more than the whole region.
  [[nodiscard]] Result<ArenaRange> allocate(std::uint64_t size_bytes);
  /// Extends a used range at its front, to at least `size_bytes`, if the range before it is free;
  /// no byte moves. Allocation takes the end of a free range, so this usually works for the latest
  /// range. nullopt if it is not possible.
  [[nodiscard]] std::optional<ArenaRange> extend(std::uint32_t tag, std::uint64_t size_bytes);
  /// Frees all but the granules that hold [offset, offset + size) of a range; returns the remaining
  /// range, under the same tag. Errors: kCorrupt as for free, or if the kept part lies outside.
  [[nodiscard]] Result<ArenaRange> trim(std::uint32_t tag, std::uint64_t keep_offset_bytes,
                                        std::uint64_t keep_size_bytes);
  /// Frees a range, named by its tag and any offset inside it. Errors: kCorrupt if the range is not
  /// in use (freed twice, or never allocated); nothing is changed then.
  [[nodiscard]] Result<void> free(std::uint32_t tag, std::uint64_t offset_bytes);
  /// The used range with this `tag` that contains `offset_bytes`. Errors: kCorrupt as for free.
  [[nodiscard]] Result<ArenaRange> find(std::uint32_t tag, std::uint64_t offset_bytes) const;

  [[nodiscard]] std::uint64_t capacity_bytes() const noexcept { return capacity_granules_ * kGranuleBytes; }
  [[nodiscard]] std::uint64_t free_bytes() const noexcept { return free_granules_ * kGranuleBytes; }
  [[nodiscard]] std::uint64_t ranges_in_use() const noexcept { return ranges_in_use_; }
  /// Checks all records for consistency; for tests.
  [[nodiscard]] bool consistent() const;

 private:
  static constexpr std::uint32_t kNone = 0xffffffff;
  static constexpr std::size_t kBinCount = 256;
  /// A used or free range, with its neighbours in the region and in its bin.
  struct Record {
    std::uint32_t offset = 0;  ///< In granules, like all sizes here.
    std::uint32_t size = 0;
    std::uint32_t previous = kNone;
    std::uint32_t next = kNone;
    std::uint32_t bin_previous = kNone;
    std::uint32_t bin_next = kNone;
    enum class State : std::uint8_t { kUnused, kFree, kUsed } state = State::kUnused;
  };

  [[nodiscard]] std::uint32_t new_record();
  void drop_record(std::uint32_t index) noexcept;
  void insert_free(std::uint32_t index) noexcept;
  void remove_free(std::uint32_t index) noexcept;
  [[nodiscard]] std::uint32_t find_fit(std::uint32_t granules) const noexcept;
  void split_tail(std::uint32_t index, std::uint32_t keep_granules);
  void make_free(std::uint32_t index) noexcept;
  [[nodiscard]] Result<std::uint32_t> check(std::uint32_t tag, std::uint64_t offset_bytes) const;

  std::uint64_t capacity_granules_;
  std::uint64_t free_granules_;
  std::uint64_t ranges_in_use_ = 0;
  std::vector<Record> records_;
  std::uint32_t unused_records_ = kNone;
  std::array<std::uint32_t, kBinCount> bins_;
  std::array<std::uint64_t, kBinCount / 64> occupied_{};
};

}  // namespace tenon::internal
