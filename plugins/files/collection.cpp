#include "files/collection.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <numeric>
#include <string_view>
#include <tuple>
#include <utility>

#include <tenon/plugin.hpp>

#include "common/file_name.hpp"
#include "common/utf8.hpp"

namespace files {
namespace {

using tenon::TaskError;
using tenon::plugins::view;

/// Lower bounds of the size ranges, in bytes.
constexpr std::array<std::uint64_t, 10> kSizeSteps{
    0, 1, 1ull << 10, 4ull << 10, 16ull << 10, 64ull << 10, 256ull << 10, 1ull << 20, 16ull << 20, 256ull << 20};

std::uint64_t total_size(const std::vector<EntryT>& entries) {
  return std::accumulate(entries.begin(), entries.end(), std::uint64_t{0},
                         [](std::uint64_t sum, const EntryT& entry) { return sum + entry.size_bytes; });
}

std::vector<std::unique_ptr<ExtensionTotalT>> extension_totals(const std::vector<EntryT>& entries) {
  std::map<std::string_view, std::pair<std::uint64_t, std::uint64_t>> sums;
  for (const EntryT& entry : entries) {
    auto& [files, size_bytes] = sums[entry.extension];
    ++files;
    size_bytes += entry.size_bytes;
  }
  std::vector<std::unique_ptr<ExtensionTotalT>> totals;
  for (const auto& [extension, sum] : sums) {
    auto total = std::make_unique<ExtensionTotalT>();
    total->extension = extension;
    std::tie(total->files, total->size_bytes) = sum;
    totals.push_back(std::move(total));
  }
  std::stable_sort(totals.begin(), totals.end(),
                   [](const auto& a, const auto& b) { return a->size_bytes > b->size_bytes; });
  return totals;
}

std::vector<std::unique_ptr<SizeRangeT>> size_ranges(const std::vector<EntryT>& entries) {
  std::vector<std::unique_ptr<SizeRangeT>> ranges;
  for (std::size_t i = 0; i < kSizeSteps.size(); ++i) {
    auto range = std::make_unique<SizeRangeT>();
    range->from_bytes = kSizeSteps[i];
    range->below_bytes = i + 1 < kSizeSteps.size() ? kSizeSteps[i + 1] : 0;
    ranges.push_back(std::move(range));
  }
  for (const EntryT& entry : entries) {
    const auto above = std::upper_bound(kSizeSteps.begin(), kSizeSteps.end(), entry.size_bytes);
    auto& range = *ranges[static_cast<std::size_t>(above - kSizeSteps.begin()) - 1];
    ++range.files;
    range.size_bytes += entry.size_bytes;
  }
  return ranges;
}

std::vector<std::unique_ptr<EntryT>> largest_entries(const std::vector<EntryT>& entries, std::uint32_t count) {
  std::vector<std::size_t> order(entries.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const std::size_t kept = std::min<std::size_t>(count, order.size());
  std::partial_sort(
      order.begin(), order.begin() + static_cast<std::ptrdiff_t>(kept), order.end(), [&](std::size_t a, std::size_t b) {
        return entries[a].size_bytes != entries[b].size_bytes ? entries[a].size_bytes > entries[b].size_bytes : a < b;
      });
  std::vector<std::unique_ptr<EntryT>> largest;
  for (std::size_t i = 0; i < kept; ++i) {
    largest.push_back(std::make_unique<EntryT>(entries[order[i]]));
  }
  return largest;
}

}  // namespace

DuplicatesT find_duplicates(const std::vector<EntryT>& entries, std::string algorithm, std::uint64_t min_size_bytes) {
  std::vector<const EntryT*> order;
  for (const EntryT& entry : entries) {
    if (entry.size_bytes >= min_size_bytes) {
      order.push_back(&entry);
    }
  }
  const auto content = [](const EntryT* entry) { return std::tie(entry->size_bytes, entry->digest); };
  std::stable_sort(order.begin(), order.end(),
                   [&](const EntryT* a, const EntryT* b) { return content(a) < content(b); });
  DuplicatesT duplicates;
  duplicates.algorithm = std::move(algorithm);
  duplicates.total_files = order.size();
  for (std::size_t begin = 0, end = 0; begin < order.size(); begin = end) {
    while (end < order.size() && content(order[end]) == content(order[begin])) {
      ++end;
    }
    if (end - begin < 2) {
      continue;
    }
    auto group = std::make_unique<DuplicateGroupT>();
    group->digest = order[begin]->digest;
    group->size_bytes = order[begin]->size_bytes;
    group->wasted_bytes = group->size_bytes * (end - begin - 1);
    for (std::size_t i = begin; i < end; ++i) {
      group->paths.push_back(order[i]->path);
    }
    duplicates.wasted_bytes += group->wasted_bytes;
    duplicates.groups.push_back(std::move(group));
  }
  std::stable_sort(duplicates.groups.begin(), duplicates.groups.end(),
                   [](const auto& a, const auto& b) { return a->wasted_bytes > b->wasted_bytes; });
  return duplicates;
}

void DigestCollection::add(const tenon::Digest& digest, std::uint64_t max_files) {
  const tenon::File& file = *digest.file();
  const auto algorithm = view(digest.algorithm());
  if (algorithm_.empty()) {
    algorithm_ = algorithm;
  } else if (algorithm_ != algorithm) {
    throw TaskError(TENON_INVALID_ARGUMENT, tenon::plugins::quote(view(file.path())) + ": its digest uses " +
                                                std::string(algorithm) + ", the others use " + algorithm_ +
                                                "; use the same `algorithm` for all files");
  }
  if (entries_.size() >= max_files) {
    throw TaskError(TENON_TOO_LARGE,
                    "more than " + std::to_string(max_files) +
                        " files; raise `max_files` (about 300 bytes of memory each), or walk fewer files");
  }
  EntryT entry;
  entry.path = view(file.path());
  entry.relative_path = view(file.relative_path());
  entry.size_bytes = file.size_bytes();
  entry.mtime_ns = file.mtime_ns();
  entry.extension = view(file.extension());
  entry.digest = view(digest.hex());
  entries_.push_back(std::move(entry));
}

std::vector<EntryT> DigestCollection::take_entries() {
  std::vector<EntryT> entries = std::exchange(entries_, {});
  const auto key = [](const EntryT& entry) { return std::tie(entry.path, entry.size_bytes, entry.digest); };
  std::sort(entries.begin(), entries.end(), [&](const EntryT& a, const EntryT& b) { return key(a) < key(b); });
  entries.erase(
      std::unique(entries.begin(), entries.end(), [&](const EntryT& a, const EntryT& b) { return key(a) == key(b); }),
      entries.end());
  return entries;
}

InventoryT DigestCollection::take_inventory(const std::string& title, std::uint32_t largest) {
  std::vector<EntryT> entries = take_entries();
  InventoryT inventory;
  inventory.title = title;
  inventory.algorithm = algorithm_;
  inventory.total_files = entries.size();
  inventory.size_bytes = total_size(entries);
  inventory.extensions = extension_totals(entries);
  inventory.sizes = size_ranges(entries);
  inventory.largest = largest_entries(entries, largest);
  inventory.duplicates = std::make_unique<DuplicatesT>(find_duplicates(entries, algorithm_, 0));
  inventory.files.reserve(entries.size());
  for (EntryT& entry : entries) {
    inventory.files.push_back(std::make_unique<EntryT>(std::move(entry)));
  }
  return inventory;
}

DuplicatesT DigestCollection::take_duplicates(std::uint64_t min_size_bytes) {
  return find_duplicates(take_entries(), algorithm_, min_size_bytes);
}

std::size_t DigestCollection::packed_bytes() const noexcept {
  constexpr std::size_t kBytesPerEntry = 256;
  std::size_t size = 1024 + entries_.size() * kBytesPerEntry;
  for (const EntryT& entry : entries_) {
    size += entry.path.size() + entry.relative_path.size();
  }
  constexpr std::size_t kMost = 256u << 20;
  return std::min(size, kMost);
}

std::vector<std::uint8_t> DigestCollection::save() const {
  // Large enough at once, so that nothing is copied while it grows.
  flatbuffers::FlatBufferBuilder builder(packed_bytes());
  std::vector<flatbuffers::Offset<Entry>> offsets;
  offsets.reserve(entries_.size());
  for (const EntryT& entry : entries_) {
    offsets.push_back(Entry::Pack(builder, &entry));
  }
  const auto entries = builder.CreateVector(offsets);
  const auto algorithm = builder.CreateString(algorithm_);
  builder.Finish(CreateCollectedDigests(builder, algorithm, entries));
  return {builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize()};
}

DigestCollection DigestCollection::load(std::span<const std::uint8_t> bytes) {
  const auto& saved = tenon::internal::verified_root<CollectedDigests>(bytes, "checkpoint");
  DigestCollection collection;
  collection.algorithm_ = view(saved.algorithm());
  if (saved.entries() != nullptr) {
    collection.entries_.resize(saved.entries()->size());
    for (flatbuffers::uoffset_t i = 0; i < saved.entries()->size(); ++i) {
      saved.entries()->Get(i)->UnPackTo(&collection.entries_[i]);
    }
  }
  return collection;
}

}  // namespace files
