#include "host/bulk.hpp"

#include <algorithm>
#include <cstring>
#include <string>

#include "base/checked.hpp"
#include "base/short_hash.hpp"
#include "base/text.hpp"

namespace tenon::internal {

namespace {

constexpr std::size_t kMaxErrorBytes = 8192;
constexpr std::uint32_t kKnownFlags = kBulkAnswerArgument | kBulkAnswerReference;

/// What is wrong with an entry; nullptr if nothing is.
const char* broken_field(const BulkAnswer& entry, std::uint64_t table_bytes, std::uint64_t size_bytes) noexcept {
  if ((entry.flags & ~kKnownFlags) != 0 || entry.flags == kKnownFlags) {
    return "flags";
  }
  if (entry.status < TENON_OK || entry.status > TENON_INTERNAL || (entry.status != TENON_OK && entry.flags != 0)) {
    return "status";
  }
  if (entry.size_bytes == 0) {
    return (entry.flags & kBulkAnswerReference) != 0 ? "size" : nullptr;
  }
  if (entry.offset_bytes < table_bytes || !range_fits(entry.offset_bytes, entry.size_bytes, size_bytes) ||
      !is_aligned(entry.offset_bytes, kBulkAlignment)) {
    return "offset";
  }
  if ((entry.flags & kBulkAnswerReference) != 0 && entry.size_bytes != sizeof(BlockRef)) {
    return "size";
  }
  return nullptr;
}

}  // namespace

Result<Shared<BulkAnswers>> BulkAnswers::copy_block(BytesView block, std::uint32_t first, std::uint32_t end) {
  const std::uint64_t table_bytes = std::uint64_t{end} * sizeof(BulkAnswer);
  if (block.size() < table_bytes) {
    return fail(ErrorCode::kCorrupt, "the answers to a bulk call are shorter than their table");
  }
  const auto answers = Shared<BulkAnswers>::adopt(new BulkAnswers);
  const auto nonsense = [](const char* field, std::uint32_t index) {
    return fail(ErrorCode::kCorrupt, std::string("a worker wrote nonsense into the answers to a bulk call: ") + field +
                                         " of item " + std::to_string(index));
  };
  // Copied first and checked afterwards: the worker can write its block at any time.
  answers->first_ = first;
  answers->entries_.resize(end - first);
  std::memcpy(answers->entries_.data(), block.data() + std::uint64_t{first} * sizeof(BulkAnswer),
              answers->entries_.size() * sizeof(BulkAnswer));
  std::uint64_t begin_bytes = block.size();
  std::uint64_t end_bytes = 0;
  for (std::uint32_t i = first; i < end; ++i) {
    const BulkAnswer& entry = answers->entry(i);
    if (const char* field = broken_field(entry, table_bytes, block.size()); field != nullptr) {
      return nonsense(field, i);
    }
    if (entry.size_bytes != 0) {
      begin_bytes = std::min<std::uint64_t>(begin_bytes, entry.offset_bytes);
      end_bytes = std::max<std::uint64_t>(end_bytes, std::uint64_t{entry.offset_bytes} + entry.size_bytes);
    }
  }
  // An honest worker writes its results one after another. Its allocator rounds up by less than the size.
  const std::uint64_t size_bytes = end_bytes > begin_bytes ? end_bytes - begin_bytes : 0;
  if (size_bytes > 2 * kLargestBulkRoomBytes) {
    return nonsense("size", first);
  }
  // operator new aligns to 16, like the offsets.
  answers->bytes_offset_ = begin_bytes;
  answers->bytes_.reset(new std::uint8_t[std::max<std::uint64_t>(size_bytes, 1)]);
  if (size_bytes > 0) {
    std::memcpy(answers->bytes_.get(), block.data() + begin_bytes, size_bytes);
  }
  return answers;
}

void BulkAnswers::copy_references() noexcept {
  try {
    for (auto& [index, stored] : references_) {
      stored = Transport::without_lease(stored);
    }
  } catch (const std::bad_alloc&) {
    // The remaining results are read in place.
  }
}

Result<Reply> BulkAnswers::get(std::uint32_t index, const BulkWork& work, std::uint32_t item) const {
  const BulkAnswer& entry = this->entry(index);
  const BytesView bytes = bytes_of(entry);
  if (entry.status != TENON_OK) {
    return fail(static_cast<ErrorCode>(entry.status),
                printable(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()), kMaxErrorBytes));
  }
  if ((entry.flags & kBulkAnswerArgument) != 0) {
    return Reply(handed_on_, work.argument_bytes(item));
  }
  if ((entry.flags & kBulkAnswerReference) != 0) {
    const auto found =
        std::lower_bound(references_.begin(), references_.end(), index,
                         [](const auto& reference, std::uint32_t wanted) { return reference.first < wanted; });
    return Reply(found->second.storage, found->second.bytes);
  }
  return Reply(Shared<const ReplyStorage>::share(this), bytes);
}

BytesView BulkWork::argument_bytes(std::uint32_t index) const noexcept {
  BulkArgument place;
  std::memcpy(&place, block.bytes.data() + std::uint64_t{index} * sizeof place, sizeof place);
  return place.offset_bytes == kAbsentItem ? BytesView() : block.bytes.subspan(place.offset_bytes, place.size_bytes);
}

StoredBytes BulkWork::argument(std::uint32_t index) const {
  const BytesView bytes = argument_bytes(index);
  return bytes.data() == nullptr ? StoredBytes() : StoredBytes{block.storage, bytes};
}

Result<Reply> BulkWork::outcome(const BulkEnds& ends, std::uint32_t index) const {
  const std::uint32_t item = ends.first + index;
  if (ends.answers == nullptr) {
    Error error = *ends.error;
    error.context.call_id = first_id + item;
    return fail(std::move(error));
  }
  auto outcome = ends.answers->get(ends.offset + index, *this, item);
  if (!outcome) {
    outcome.error().context = context_of(*ends.route, first_id + item, 1);
  }
  return outcome;
}

ErrorContext context_of(const HostRoute& route, std::uint64_t call_id, std::uint32_t attempt) {
  ErrorContext context;
  if (route.ref.task != nullptr) {
    const PluginInfo& plugin = *route.ref.plugin;
    context.task = route.ref.task->full_name;
    context.plugin = plugin.name + " " + plugin.version + " (sha256:" + short_hash(plugin.sha256) + ")";
  }
  context.call_id = call_id;
  context.attempt = attempt;
  return context;
}

void BulkBuilder::add(BytesView argument) {
  if (argument.data() == nullptr) {
    places_.push_back({});
    return;
  }
  places_.push_back({static_cast<std::uint32_t>(bytes_.size()), static_cast<std::uint32_t>(argument.size())});
  const std::size_t end = bytes_.size() + argument.size();
  bytes_.insert(bytes_.end(), argument.begin(), argument.end());
  bytes_.resize(bulk_aligned(end));
}

void BulkBuilder::finish(Buffer& block) {
  const std::size_t table_bytes = bulk_aligned(places_.size() * sizeof(BulkArgument));
  for (BulkArgument& place : places_) {
    if (place.offset_bytes != kAbsentItem) {
      place.offset_bytes += static_cast<std::uint32_t>(table_bytes);
    }
  }
  block.resize(table_bytes + bytes_.size());
  std::memcpy(block.data(), places_.data(), places_.size() * sizeof(BulkArgument));
  if (!bytes_.empty()) {
    std::memcpy(block.data() + table_bytes, bytes_.data(), bytes_.size());
  }
  places_.clear();
  bytes_.clear();
}

}  // namespace tenon::internal
