#include "host/storage.hpp"

#include <algorithm>
#include <cstring>
#include <new>

#include "base/checked.hpp"
#include "base/hot.hpp"
#include "base/text.hpp"
#include "base/try.hpp"

namespace tenon::internal {

namespace {

constexpr std::uint64_t kPlaceAlignment = 16;
/// Idle segments may take at most one part in this many of physical memory.
constexpr std::uint64_t kCacheShare = 8;

const PluginInfo* origin_of(const GenerationRef& made_by) noexcept {
  return made_by == nullptr ? nullptr : made_by->plugin.get();
}

/// Bytes stored directly after the object, in one allocation.
class HostBytes final : public ReplyStorage {
 public:
  [[nodiscard]] static StoredBytes copy_of(BytesView bytes, GenerationRef made_by) {
    // operator new aligns to 16, as replies promise, and the offset is a multiple of 16.
    static_assert(__STDCPP_DEFAULT_NEW_ALIGNMENT__ >= kPlaceAlignment);
    void* memory = ::operator new(kDataOffset + bytes.size());
    const auto* storage = new (memory) HostBytes(std::move(made_by));
    std::uint8_t* data = static_cast<std::uint8_t*>(memory) + kDataOffset;
    if (!bytes.empty()) {
      std::memcpy(data, bytes.data(), bytes.size());
    }
    return {Shared<const ReplyStorage>::adopt(storage), BytesView(data, bytes.size())};
  }

 private:
  static const std::size_t kDataOffset;
  explicit HostBytes(GenerationRef made_by) noexcept : made_by_(std::move(made_by)) {}
  [[nodiscard]] const PluginInfo* origin() const noexcept override { return origin_of(made_by_); }
  void destroy() noexcept override {
    this->~HostBytes();
    ::operator delete(static_cast<void*>(this));
  }

  GenerationRef made_by_;
};

/// An argument that a task returned as its result.
class HandedOn final : public ReplyStorage {
 public:
  HandedOn(Shared<const ReplyStorage> bytes, GenerationRef made_by) noexcept
      : bytes_(std::move(bytes)), made_by_(std::move(made_by)) {}
  [[nodiscard]] BytesView unchangeable(BytesView bytes) const noexcept override { return bytes_->unchangeable(bytes); }
  [[nodiscard]] const SharedSegment* segment() const noexcept override { return bytes_->segment(); }
  [[nodiscard]] const PluginInfo* origin() const noexcept override { return origin_of(made_by_); }

 private:
  Shared<const ReplyStorage> bytes_;
  GenerationRef made_by_;
};

constexpr std::size_t HostBytes::kDataOffset =
    (sizeof(HostBytes) + kPlaceAlignment - 1) / kPlaceAlignment * kPlaceAlignment;

}  // namespace

std::optional<BlockRef> StoredBytes::place() const noexcept {
  const SharedSegment* segment = storage == nullptr ? nullptr : storage->segment();
  if (segment == nullptr) {
    return std::nullopt;
  }
  const auto offset = static_cast<std::uint64_t>(bytes.data() - segment->mapping()->data());
  if (!is_aligned(offset, kPlaceAlignment)) {
    return std::nullopt;
  }
  return BlockRef{segment->number(), 0, offset, bytes.size()};
}

bool is_shortage(const Error& error) noexcept {
  return error.code == ErrorCode::kOutOfMemory || error.code == ErrorCode::kUnavailable;
}

StoredBytes copy_to_host(BytesView bytes, GenerationRef made_by) {
  return HostBytes::copy_of(bytes, std::move(made_by));
}

StoredBytes with_origin(StoredBytes stored, GenerationRef made_by) {
  if (stored.storage == nullptr) {
    return stored;
  }
  return {make_shared_object<HandedOn>(std::move(stored.storage), std::move(made_by)), stored.bytes};
}

class ArgumentMemory::ArenaBytes final : public ReplyStorage {
 public:
  ArenaBytes(std::shared_ptr<ArgumentMemory> memory, const ArenaBlock& block)
      : memory_(std::move(memory)), block_(block) {}
  ~ArenaBytes() override { static_cast<void>(memory_->arena_.lock()->free(block_.ref)); }
  [[nodiscard]] const SharedSegment* segment() const noexcept override { return memory_->segment_.get(); }
  /// The last `size_bytes` of the block after extending it; nullopt if it cannot be extended.
  [[nodiscard]] std::optional<MutableBytesView> extend(std::uint64_t size_bytes) {
    if (!memory_->arena_.lock()->extend(block_, size_bytes)) {
      return std::nullopt;
    }
    return block_.bytes.last(size_bytes);
  }
  /// Frees everything except `bytes`.
  void keep(BytesView bytes) {
    if (auto kept = memory_->arena_.lock()->keep(block_, bytes.data(), bytes.size())) {
      block_.ref = *kept;
    }
  }

 private:
  std::shared_ptr<ArgumentMemory> memory_;
  ArenaBlock block_;
};

class ArgumentMemory::SegmentBytes final : public ReplyStorage {
 public:
  SegmentBytes(Shared<const SharedSegment> segment, std::shared_ptr<std::atomic<std::uint64_t>> held)
      : segment_(std::move(segment)), held_(std::move(held)) {
    held_->fetch_add(1, std::memory_order_relaxed);
  }
  ~SegmentBytes() override { held_->fetch_sub(1, std::memory_order_relaxed); }
  [[nodiscard]] const SharedSegment* segment() const noexcept override { return segment_.get(); }

 private:
  Shared<const SharedSegment> segment_;
  std::shared_ptr<std::atomic<std::uint64_t>> held_;
};

Result<std::shared_ptr<ArgumentMemory>> ArgumentMemory::create(const ArgumentMemoryOptions& options,
                                                               std::shared_ptr<Retired> retired) {
  TENON_ASSIGN(auto arena, Arena::create("arguments", options.first_segment, options.arena_bytes, true));
  TENON_ASSIGN(auto descriptor, arena.descriptor().duplicate());
  auto segment =
      make_shared_object<const SharedSegment>(options.first_segment, std::move(descriptor), arena.mapping(), retired);
  return std::make_shared<ArgumentMemory>(options, std::move(arena), std::move(segment), std::move(retired));
}

ArgumentMemory::ArgumentMemory(const ArgumentMemoryOptions& options, Arena arena, Shared<const SharedSegment> segment,
                               std::shared_ptr<Retired> retired)
    : arena_(std::move(arena)),
      segment_(std::move(segment)),
      retired_(std::move(retired)),
      cache_(std::make_shared<SegmentCache>(std::min(options.cache_bytes, physical_memory_bytes() / kCacheShare),
                                            retired_)),
      first_segment_(options.first_segment) {}

ArgumentMemory::~ArgumentMemory() {
  cache_->close();
}

Result<std::uint32_t> ArgumentMemory::next_segment_number() {
  const std::uint64_t number = first_segment_ + numbers_.next();
  if (number >= kInlineSegment) {
    return fail(ErrorCode::kUnavailable, "this runtime has given out all of its " +
                                             std::to_string(kInlineSegment - kFirstSegment) +
                                             " segment numbers; start a new runtime");
  }
  return static_cast<std::uint32_t>(number);
}

bool ArgumentMemory::owns(const StoredBytes& bytes) const noexcept {
  const SharedSegment* segment = bytes.storage == nullptr ? nullptr : bytes.storage->segment();
  return segment != nullptr && segment->belongs_to(*retired_);
}

Result<Shared<SharedSegment>> ArgumentMemory::new_segment(std::uint64_t capacity_bytes, BytesView content) {
  TENON_ASSIGN(const auto number, next_segment_number());
  TENON_ASSIGN(auto block, create_large_block("argument", number, capacity_bytes, content));
  return make_shared_object<SharedSegment>(number, std::move(block.descriptor), std::move(block.mapping), retired_);
}

Result<Shared<SharedSegment>> ArgumentMemory::large_segment(std::uint64_t size_bytes, BytesView content) {
  if (auto cached = cache_->take(size_bytes)) {
    if (!content.empty()) {
      const Mapping& mapping = *cached->mapping();
      std::memcpy(mapping.writable_data() + (mapping.size_bytes() - size_bytes), content.data(), content.size());
    }
    return cached;
  }
  auto segment = new_segment(large_block_capacity(size_bytes), content);
  if (!segment && segment.error().code != ErrorCode::kUnavailable) {
    // The larger size may have hit a limit; tries the exact size.
    segment = new_segment(size_bytes, content);
  }
  if (!segment && is_shortage(segment.error()) && cache_->idle_segments() != 0) {
    cache_->clear();
    segment = new_segment(size_bytes, content);
  }
  if (segment) {
    cache_->adopt(**segment, size_bytes);
  }
  return segment;
}

Shared<const ReplyStorage> ArgumentMemory::hold(Shared<const SharedSegment> segment) {
  return make_shared_object<const SegmentBytes>(std::move(segment), held_apart_);
}

Result<StoredBytes> ArgumentMemory::store(BytesView bytes) {
  if (bytes.size() >= kLargeBlockBytes) {
    return store_apart(bytes);
  }
  auto block = arena_.lock()->allocate(bytes.size());
  if (!block) {
    return fail(std::move(block.error()));
  }
  std::copy(bytes.begin(), bytes.end(), block->bytes.begin());
  return StoredBytes{make_shared_object<const ArenaBytes>(shared_from_this(), *block),
                     block->bytes.first(bytes.size())};
}

Result<StoredBytes> ArgumentMemory::store_apart(BytesView bytes) {
  const auto room = checked_align_up<std::uint64_t>(std::max<std::size_t>(bytes.size(), 1), kPlaceAlignment);
  if (!room) {
    return fail(ErrorCode::kTooLarge, "an argument of " + format_size(bytes.size()) + " is more than memory can hold");
  }
  // At the end of the segment, where builders put their content: the same pages are warm for both.
  TENON_ASSIGN(auto segment, large_segment(*room, bytes));
  const Mapping& mapping = *segment->mapping();
  const BytesView stored(mapping.data() + (mapping.size_bytes() - *room), bytes.size());
  return StoredBytes{hold(std::move(segment)), stored};
}

Result<ArgumentMemory::Block> ArgumentMemory::reserve(std::uint64_t size_bytes) {
  const auto room = checked_align_up<std::uint64_t>(std::max<std::uint64_t>(size_bytes, 1), kPlaceAlignment);
  if (!room) {
    return fail(ErrorCode::kTooLarge, "an argument of " + format_size(size_bytes) + " is more than memory can hold");
  }
  if (*room < kLargeBlockBytes) {
    if (auto block = arena_.lock()->allocate(*room)) {
      auto storage = make_shared_object<ArenaBytes>(shared_from_this(), *block);
      ArenaBytes* arena = storage.get();
      return Block{std::move(storage), block->bytes.last(*room), arena, nullptr};
    }
  }
  TENON_ASSIGN(auto segment, large_segment(*room, {}));
  SharedSegment* own = segment.get();
  std::uint8_t* end = own->mapping()->writable_data() + own->mapping()->size_bytes();
  return Block{hold(std::move(segment)), MutableBytesView(end - *room, *room), nullptr, own};
}

bool ArgumentMemory::extend(Block& block, std::uint64_t size_bytes) {
  const auto room = checked_align_up<std::uint64_t>(size_bytes, kPlaceAlignment);
  if (block.arena != nullptr && room) {
    // Never puts a large block into the arena: it could not be returned to the system.
    const auto longer = *room < kLargeBlockBytes ? block.arena->extend(*room) : std::nullopt;
    block.bytes = longer.value_or(block.bytes);
    return longer.has_value();
  }
  if (block.segment == nullptr || !room || *room > block.segment->mapping()->size_bytes()) {
    return false;
  }
  cache_->adopt(*block.segment, *room);
  std::uint8_t* end = block.bytes.data() + block.bytes.size();
  block.bytes = MutableBytesView(end - *room, *room);
  return true;
}

StoredBytes ArgumentMemory::commit(Block block, BytesView bytes) {
  if (block.arena != nullptr) {
    block.arena->keep(bytes);
  }
  return StoredBytes{std::move(block.storage), bytes};
}

class Transport::Lease final : public ReplyStorage {
 public:
  Lease(std::shared_ptr<Transport> transport, const BlockRef& ref, BytesView bytes, GenerationRef made_by)
      : transport_(std::move(transport)), ref_(ref), bytes_(bytes), made_by_(std::move(made_by)) {}
  ~Lease() override { transport_->release(ref_); }
  [[nodiscard]] const SharedSegment* segment() const noexcept override { return transport_->results_.get(); }
  [[nodiscard]] const PluginInfo* origin() const noexcept override { return origin_of(made_by_); }
  /// Copies the whole block once, which may contain many results: they were located by their offset
  /// in the original.
  [[nodiscard]] BytesView unchangeable(BytesView bytes) const noexcept override {
    std::call_once(copied_, [this] {
      // operator new aligns to 16, like the block.
      copy_.reset(new (std::nothrow) std::uint8_t[bytes_.size()]);
      if (copy_ != nullptr) {
        std::memcpy(copy_.get(), bytes_.data(), bytes_.size());
      }
    });
    return copy_ == nullptr ? BytesView() : BytesView(copy_.get() + (bytes.data() - bytes_.data()), bytes.size());
  }
  /// A copy that does not need the block.
  [[nodiscard]] StoredBytes private_copy(BytesView bytes) const { return copy_to_host(bytes, made_by_); }

 private:
  std::shared_ptr<Transport> transport_;
  BlockRef ref_;
  BytesView bytes_;
  GenerationRef made_by_;
  mutable std::once_flag copied_;
  mutable std::unique_ptr<std::uint8_t[]> copy_;  // Written once, by `copied_`.
};

StoredBytes Transport::lease(const BlockRef& block, BytesView bytes, GenerationRef made_by) {
  return {make_shared_object<Lease>(shared_from_this(), block, bytes, std::move(made_by)), bytes};
}

StoredBytes Transport::without_lease(StoredBytes result) {
  const auto* lease = dynamic_cast<const Lease*>(result.storage.get());
  return lease == nullptr ? std::move(result) : lease->private_copy(result.bytes);
}

void Transport::release(const BlockRef& block) {
  const std::lock_guard lock(release_mutex_);
  end_.release(block);
}

TENON_HOT void Transport::flush_releases() {
  const std::lock_guard lock(release_mutex_);
  end_.flush_releases();
}

}  // namespace tenon::internal
