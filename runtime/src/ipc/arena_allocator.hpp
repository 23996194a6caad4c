/// Hands out ranges of a region it never touches.
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
  /// Finds the range's record in constant time when it comes back.
  std::uint32_t tag = 0;
};

/// Two-level segregated fit over a region of up to 256 GiB: allocate, trim and free in constant time, at most an eighth
/// lost to size classes, neighbours joined at once. All records are private to this object: nobody who can write to the
/// region can harm it, and every tag and offset that comes back is checked. One thread at a time.
class ArenaAllocator {
 public:
  /// Every range begins at a multiple of it and is a multiple of it long.
  static constexpr std::uint64_t kGranuleBytes = 64;

  /// `size_bytes` is rounded down to granules.
  explicit ArenaAllocator(std::uint64_t size_bytes);

  /// A range of at least `size_bytes` (zero gives one granule). Errors: kOutOfMemory with what is asked for and free;
  /// kTooLarge more than the whole region.
  [[nodiscard]] Result<ArenaRange> allocate(std::uint64_t size_bytes);
  /// Makes a range in use longer at its front, to at least `size_bytes`, where what lies before it is free: no byte
  /// moves. Allocation takes the end of a free range, so that this is the rule for the latest one. nullopt: it cannot.
  [[nodiscard]] std::optional<ArenaRange> extend(std::uint32_t tag, std::uint64_t size_bytes);
  /// Gives all but the granules that hold [offset, offset + size) of a range back; returns what is left, under the same
  /// tag. Errors: kCorrupt as free, or the kept part lies outside.
  [[nodiscard]] Result<ArenaRange> trim(std::uint32_t tag, std::uint64_t keep_offset_bytes,
                                        std::uint64_t keep_size_bytes);
  /// Gives a range back, named by its tag and any offset inside it. Errors: kCorrupt for a range that is not in use or
  /// is not there: freed twice, or never given out; nothing is changed then.
  [[nodiscard]] Result<void> free(std::uint32_t tag, std::uint64_t offset_bytes);
  /// The range in use that `tag` names and `offset_bytes` lies in. Errors: kCorrupt as free.
  [[nodiscard]] Result<ArenaRange> find(std::uint32_t tag, std::uint64_t offset_bytes) const;

  [[nodiscard]] std::uint64_t capacity_bytes() const noexcept { return capacity_granules_ * kGranuleBytes; }
  [[nodiscard]] std::uint64_t free_bytes() const noexcept { return free_granules_ * kGranuleBytes; }
  [[nodiscard]] std::uint64_t ranges_in_use() const noexcept { return ranges_in_use_; }
  /// Walks all records and says whether they agree; for tests.
  [[nodiscard]] bool consistent() const;

 private:
  static constexpr std::uint32_t kNone = 0xffffffff;
  static constexpr std::size_t kBinCount = 256;
  /// A range, used or free, with its neighbours in the region and in its bin.
  struct Record {
    std::uint32_t offset = 0;  ///< In granules, as all sizes here.
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
