#include "text/word_table.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace text {
namespace {

constexpr std::size_t kFirstSlots = 1024;
constexpr std::size_t kBlockBytes = 64u << 10;
constexpr std::size_t kMaxShortBytes = 15;

static_assert(std::endian::native == std::endian::little, "an entry holds its word byte by byte in two numbers");

/// Selects the lowest bytes of a number.
constexpr std::array<std::uint64_t, 9> kLowBytes = [] {
  std::array<std::uint64_t, 9> masks{};
  for (std::size_t i = 0; i < 8; ++i) {
    masks[i] = (std::uint64_t{1} << (8 * i)) - 1;
  }
  masks[8] = ~std::uint64_t{0};
  return masks;
}();

}  // namespace

std::string_view WordTable::Entry::word() const noexcept {
  if (key_.kind() != kLong) {
    return {reinterpret_cast<const char*>(&key_), static_cast<std::size_t>(key_.kind() - 1)};
  }
  return {reinterpret_cast<const char*>(key_.first), static_cast<std::uint32_t>(key_.second)};
}

WordTable::WordTable() : slots_(kFirstSlots) {}

WordTable::Search WordTable::prepare(std::string_view word) const noexcept {
  Search search;
  search.text_ = word.data();
  search.size_bytes_ = word.size();
  if (word.size() <= kMaxShortBytes) {
    std::array<std::uint64_t, 2> parts;
    std::memcpy(parts.data(), word.data(), kReadBytes);
    parts[0] &= kLowBytes[std::min<std::size_t>(word.size(), 8)];
    parts[1] &= kLowBytes[word.size() - std::min<std::size_t>(word.size(), 8)];
    parts[1] |= static_cast<std::uint64_t>(word.size() + 1) << 56;
    // A hash of a fixed number of bytes needs no branches.
    search.hash_ = XXH3_64bits(parts.data(), sizeof(parts));
    search.first_ = parts[0];
    search.second_ = parts[1];
  } else {
    search.hash_ = XXH3_64bits(word.data(), word.size());
    search.first_ = 0;
    search.second_ = kLong << 56;
  }
  __builtin_prefetch(&slots_[search.hash_ & (slots_.size() - 1)], 1);
  return search;
}

WordTable::Entry& WordTable::slot_of(const Search& search) noexcept {
  const std::size_t mask = slots_.size() - 1;
  const Entry::Key key = search.key();
  const bool is_long = key.kind() == kLong;
  for (std::size_t at = search.hash_ & mask;; at = (at + 1) & mask) {
    Entry& entry = slots_[at];
    const bool found = is_long ? entry.key_.kind() == kLong && entry.word() == search.word() : entry.key_ == key;
    if (found || entry.key_.kind() == kFree) {
      return entry;
    }
  }
}

std::pair<WordTable::Entry&, bool> WordTable::insert(std::string_view word) {
  if (word.size() >= kReadBytes) {
    return insert(prepare(word));
  }
  std::array<char, kReadBytes> readable{};
  std::copy(word.begin(), word.end(), readable.begin());
  return insert(prepare({readable.data(), word.size()}));
}

std::pair<WordTable::Entry&, bool> WordTable::insert(const Search& search) {
  Entry* entry = &slot_of(search);
  if (entry->key_.kind() != kFree) {
    return {*entry, false};
  }
  // At most three quarters of the slots are used, so that a search ends soon.
  if ((size_ + 1) * 4 > slots_.size() * 3) {
    rehash(slots_.size() * 2);
    entry = &slot_of(search);
  }
  entry->key_ = store(search);
  ++size_;
  return {*entry, true};
}

WordTable::Entry::Key WordTable::store(const Search& search) {
  Entry::Key key = search.key();
  if (key.kind() != kLong) {
    return key;
  }
  const std::string_view word = search.word();
  if (blocks_.empty() || block_size_bytes_ - block_used_bytes_ < word.size()) {
    block_size_bytes_ = std::max(kBlockBytes, word.size());
    blocks_.push_back(std::make_unique_for_overwrite<char[]>(block_size_bytes_));
    block_used_bytes_ = 0;
  }
  char* text = blocks_.back().get() + block_used_bytes_;
  std::copy(word.begin(), word.end(), text);
  block_used_bytes_ += word.size();
  key.first = reinterpret_cast<std::uintptr_t>(text);
  key.second |= static_cast<std::uint32_t>(word.size());
  return key;
}

void WordTable::rehash(std::size_t slots) {
  std::vector<Entry> old(slots);
  old.swap(slots_);
  for (const Entry& entry : old) {
    if (entry.key_.kind() != kFree) {
      slot_of(prepare(entry.word())) = entry;
    }
  }
}

void WordTable::add_error(std::uint64_t amount) noexcept {
  for (Entry& entry : slots_) {
    entry.error += entry.key_.kind() != kFree ? amount : 0;
  }
}

void WordTable::erase_up_to(std::uint64_t limit) {
  WordTable kept;
  kept.slots_.assign(slots_.size(), Entry());
  for_each([&](const Entry& entry) {
    if (entry.count + entry.error > limit) {
      const Search search = kept.prepare(entry.word());
      Entry& target = kept.slot_of(search);
      target = entry;
      target.key_ = kept.store(search);
      ++kept.size_;
    }
  });
  *this = std::move(kept);
}

}  // namespace text
