#include "ipc/arena_allocator.hpp"

#include <algorithm>
#include <bit>
#include <string>

#include "base/text.hpp"
#include "base/try.hpp"

namespace tenon::internal {

namespace {

// Size classes are floating-point numbers: each size below 8 granules has its own bin; every larger
// power of two is split into 8 bins.
constexpr unsigned kMantissaBits = 3;
constexpr std::uint32_t kMantissaCount = 1u << kMantissaBits;
constexpr std::uint64_t kMaxGranules = 0xfffffffe;

/// The bin that holds a free range of this size: rounded down.
constexpr std::uint32_t bin_down(std::uint32_t granules) noexcept {
  if (granules < kMantissaCount) {
    return granules;
  }
  const unsigned exponent = static_cast<unsigned>(std::bit_width(granules)) - 1 - kMantissaBits;
  const std::uint32_t mantissa = (granules >> exponent) & (kMantissaCount - 1);
  return ((exponent + 1) << kMantissaBits) + mantissa;
}

/// The smallest bin in which every range is at least this large: rounded up.
constexpr std::uint32_t bin_up(std::uint32_t granules) noexcept {
  const std::uint32_t bin = bin_down(granules);
  if (granules < kMantissaCount) {
    return bin;
  }
  const unsigned exponent = static_cast<unsigned>(std::bit_width(granules)) - 1 - kMantissaBits;
  const bool exact = (granules & ((1u << exponent) - 1)) == 0;
  return exact ? bin : bin + 1;
}
static_assert(bin_down(7) == 7 && bin_down(8) == 8 && bin_down(15) == 15 && bin_down(16) == 16 && bin_down(17) == 16);
static_assert(bin_up(17) == 17 && bin_up(16) == 16 && bin_up(31) == 24);
static_assert(bin_up(0xfffffffe) < 256);

}  // namespace

ArenaAllocator::ArenaAllocator(std::uint64_t size_bytes)
    : capacity_granules_(std::min(size_bytes / kGranuleBytes, kMaxGranules)), free_granules_(capacity_granules_) {
  bins_.fill(kNone);
  records_.reserve(64);
  if (capacity_granules_ != 0) {
    const std::uint32_t whole = new_record();
    records_[whole] = {.offset = 0, .size = static_cast<std::uint32_t>(capacity_granules_)};
    insert_free(whole);
  }
}

std::uint32_t ArenaAllocator::new_record() {
  if (unused_records_ == kNone) {
    records_.emplace_back();
    return static_cast<std::uint32_t>(records_.size() - 1);
  }
  const std::uint32_t index = unused_records_;
  unused_records_ = records_[index].bin_next;
  records_[index] = Record{};
  return index;
}

void ArenaAllocator::drop_record(std::uint32_t index) noexcept {
  records_[index] = Record{};
  records_[index].bin_next = unused_records_;
  unused_records_ = index;
}

void ArenaAllocator::insert_free(std::uint32_t index) noexcept {
  Record& record = records_[index];
  const std::uint32_t bin = bin_down(record.size);
  record.state = Record::State::kFree;
  record.bin_previous = kNone;
  record.bin_next = bins_[bin];
  if (record.bin_next != kNone) {
    records_[record.bin_next].bin_previous = index;
  }
  bins_[bin] = index;
  occupied_[bin / 64] |= std::uint64_t{1} << (bin % 64);
}

void ArenaAllocator::remove_free(std::uint32_t index) noexcept {
  const Record& record = records_[index];
  const std::uint32_t bin = bin_down(record.size);
  if (record.bin_previous != kNone) {
    records_[record.bin_previous].bin_next = record.bin_next;
  } else {
    bins_[bin] = record.bin_next;
    if (record.bin_next == kNone) {
      occupied_[bin / 64] &= ~(std::uint64_t{1} << (bin % 64));
    }
  }
  if (record.bin_next != kNone) {
    records_[record.bin_next].bin_previous = record.bin_previous;
  }
}

std::uint32_t ArenaAllocator::find_fit(std::uint32_t granules) const noexcept {
  const std::uint32_t first = bin_up(granules);
  for (std::size_t word = first / 64; word < occupied_.size(); ++word) {
    std::uint64_t bits = occupied_[word];
    if (word == first / 64) {
      bits &= ~std::uint64_t{0} << (first % 64);
    }
    if (bits != 0) {
      return bins_[word * 64 + static_cast<std::size_t>(std::countr_zero(bits))];
    }
  }
  // The bin below may hold a range that is large enough. Its first range is checked, or else a
  // region with exactly the requested room would be refused.
  const std::uint32_t candidate = bins_[bin_down(granules)];
  return candidate != kNone && records_[candidate].size >= granules ? candidate : kNone;
}

void ArenaAllocator::split_tail(std::uint32_t index, std::uint32_t keep_granules) {
  const std::uint32_t tail = new_record();  // May move the records.
  Record& record = records_[index];
  Record& rest = records_[tail];
  rest.offset = record.offset + keep_granules;
  rest.size = record.size - keep_granules;
  rest.previous = index;
  rest.next = record.next;
  if (rest.next != kNone) {
    records_[rest.next].previous = tail;
  }
  record.next = tail;
  record.size = keep_granules;
}

void ArenaAllocator::make_free(std::uint32_t index) noexcept {
  const auto absorb_next = [this](std::uint32_t into) {
    const std::uint32_t gone = records_[into].next;
    records_[into].size += records_[gone].size;
    records_[into].next = records_[gone].next;
    if (records_[into].next != kNone) {
      records_[records_[into].next].previous = into;
    }
    drop_record(gone);
  };
  const auto is_free = [this](std::uint32_t other) {
    return other != kNone && records_[other].state == Record::State::kFree;
  };
  if (is_free(records_[index].next)) {
    remove_free(records_[index].next);
    absorb_next(index);
  }
  if (const std::uint32_t previous = records_[index].previous; is_free(previous)) {
    remove_free(previous);
    absorb_next(previous);
    index = previous;
  }
  insert_free(index);
}

Result<ArenaRange> ArenaAllocator::allocate(std::uint64_t size_bytes) {
  if (size_bytes > capacity_bytes()) {
    return fail(ErrorCode::kTooLarge, "a block of " + format_size(size_bytes) + " is larger than the whole arena of " +
                                          format_size(capacity_bytes()) + "; make the arena larger");
  }
  const auto granules =
      static_cast<std::uint32_t>(std::max<std::uint64_t>(1, (size_bytes + kGranuleBytes - 1) / kGranuleBytes));
  std::uint32_t index = granules <= capacity_granules_ ? find_fit(granules) : kNone;
  if (index == kNone) {
    return fail(ErrorCode::kOutOfMemory, "no room for a block of " + format_size(size_bytes) + ": " +
                                             format_size(free_bytes()) + " of " + format_size(capacity_bytes()) +
                                             " are free, but in " + "parts that are too small; make the arena larger");
  }
  remove_free(index);
  if (records_[index].size > granules) {
    // Allocates from the end of the free range: the front of a block, most of which `trim` frees,
    // then joins the remaining free range.
    split_tail(index, records_[index].size - granules);
    insert_free(index);
    index = records_[index].next;
  }
  records_[index].state = Record::State::kUsed;
  free_granules_ -= granules;
  ++ranges_in_use_;
  return ArenaRange{records_[index].offset * kGranuleBytes, granules * kGranuleBytes, index};
}

std::optional<ArenaRange> ArenaAllocator::extend(std::uint32_t tag, std::uint64_t size_bytes) {
  if (tag >= records_.size() || records_[tag].state != Record::State::kUsed || size_bytes > capacity_bytes()) {
    return std::nullopt;
  }
  Record& range = records_[tag];
  const auto granules = static_cast<std::uint32_t>((size_bytes + kGranuleBytes - 1) / kGranuleBytes);
  if (granules > range.size) {
    const std::uint32_t wanted = granules - range.size;
    const std::uint32_t front = range.previous;
    if (front == kNone || records_[front].state != Record::State::kFree || records_[front].size < wanted) {
      return std::nullopt;
    }
    remove_free(front);
    range.offset -= wanted;
    range.size += wanted;
    free_granules_ -= wanted;
    records_[front].size -= wanted;
    if (records_[front].size > 0) {
      insert_free(front);
    } else {
      range.previous = records_[front].previous;
      if (range.previous != kNone) {
        records_[range.previous].next = tag;
      }
      drop_record(front);
    }
  }
  return ArenaRange{range.offset * kGranuleBytes, range.size * kGranuleBytes, tag};
}

Result<std::uint32_t> ArenaAllocator::check(std::uint32_t tag, std::uint64_t offset_bytes) const {
  if (tag < records_.size() && records_[tag].state == Record::State::kUsed) {
    const Record& record = records_[tag];
    const std::uint64_t begin = record.offset * kGranuleBytes;
    if (offset_bytes >= begin && offset_bytes - begin < record.size * kGranuleBytes) {
      return tag;
    }
  }
  return fail(ErrorCode::kCorrupt, "no block in use has tag " + std::to_string(tag) + " and offset " +
                                       std::to_string(offset_bytes) + ": freed twice, or never allocated");
}

Result<ArenaRange> ArenaAllocator::find(std::uint32_t tag, std::uint64_t offset_bytes) const {
  auto index = check(tag, offset_bytes);
  if (!index) {
    return fail(std::move(index.error()));
  }
  const Record& record = records_[*index];
  return ArenaRange{record.offset * kGranuleBytes, record.size * kGranuleBytes, tag};
}

Result<ArenaRange> ArenaAllocator::trim(std::uint32_t tag, std::uint64_t keep_offset_bytes,
                                        std::uint64_t keep_size_bytes) {
  TENON_TRY(check(tag, keep_offset_bytes));
  const std::uint64_t begin = records_[tag].offset * kGranuleBytes;
  const std::uint64_t size = records_[tag].size * kGranuleBytes;
  if (keep_size_bytes > size - (keep_offset_bytes - begin)) {
    return fail(ErrorCode::kCorrupt, "the part of a block to keep lies outside the block");
  }
  const auto front = static_cast<std::uint32_t>((keep_offset_bytes - begin) / kGranuleBytes);
  const std::uint64_t kept_end = keep_offset_bytes - begin + std::max<std::uint64_t>(keep_size_bytes, 1);
  const auto end = static_cast<std::uint32_t>((kept_end + kGranuleBytes - 1) / kGranuleBytes);
  if (end < records_[tag].size) {
    split_tail(tag, end);
    free_granules_ += records_[records_[tag].next].size;
    make_free(records_[tag].next);
  }
  if (front > 0) {
    // The front gets a new record, so that the kept part keeps its tag.
    const std::uint32_t head = new_record();
    Record& kept = records_[tag];
    Record& given = records_[head];
    given.offset = kept.offset;
    given.size = front;
    given.previous = kept.previous;
    given.next = tag;
    if (given.previous != kNone) {
      records_[given.previous].next = head;
    }
    kept.previous = head;
    kept.offset += front;
    kept.size -= front;
    free_granules_ += front;
    make_free(head);
  }
  return ArenaRange{records_[tag].offset * kGranuleBytes, records_[tag].size * kGranuleBytes, tag};
}

Result<void> ArenaAllocator::free(std::uint32_t tag, std::uint64_t offset_bytes) {
  auto index = check(tag, offset_bytes);
  if (!index) {
    return fail(std::move(index.error()));
  }
  free_granules_ += records_[*index].size;
  --ranges_in_use_;
  make_free(*index);
  return {};
}

bool ArenaAllocator::consistent() const {
  if (capacity_granules_ == 0) {
    return records_.empty() && ranges_in_use_ == 0;
  }
  // The record at offset 0 starts a chain that covers the region without gaps; no two adjacent
  // ranges are free.
  std::uint32_t at = kNone;
  for (std::uint32_t i = 0; i < records_.size(); ++i) {
    if (records_[i].state != Record::State::kUnused && records_[i].offset == 0) {
      at = i;
    }
  }
  std::uint64_t position = 0;
  std::uint64_t free_sum = 0;
  std::uint64_t used = 0;
  std::uint32_t previous = kNone;
  bool previous_free = false;
  while (at != kNone) {
    const Record& record = records_[at];
    const bool is_free = record.state == Record::State::kFree;
    if (record.state == Record::State::kUnused || record.offset != position || record.size == 0 ||
        record.previous != previous || (is_free && previous_free)) {
      return false;
    }
    position += record.size;
    free_sum += is_free ? record.size : 0;
    used += is_free ? 0 : 1;
    previous_free = is_free;
    previous = at;
    at = record.next;
  }
  std::uint64_t binned = 0;
  for (std::uint32_t bin = 0; bin < kBinCount; ++bin) {
    const bool marked = ((occupied_[bin / 64] >> (bin % 64)) & 1u) != 0;
    if (marked != (bins_[bin] != kNone)) {
      return false;
    }
    for (std::uint32_t i = bins_[bin]; i != kNone; i = records_[i].bin_next) {
      if (records_[i].state != Record::State::kFree || bin_down(records_[i].size) != bin) {
        return false;
      }
      binned += records_[i].size;
    }
  }
  return position == capacity_granules_ && free_sum == free_granules_ && binned == free_granules_ &&
         used == ranges_in_use_;
}

}  // namespace tenon::internal
