#include "host/storage.hpp"

#include <algorithm>
#include <cstring>
#include <new>

#include "base/checked.hpp"

namespace tenon::internal {

namespace {

constexpr std::uint64_t kPlaceAlignment = 16;

/// Bytes that lie behind the object, in one allocation with it.
class HostBytes final : public ReplyStorage {
 public:
  [[nodiscard]] static StoredBytes copy_of(BytesView bytes) {
    // operator new aligns to 16, as replies promise, and so does the offset.
    static_assert(__STDCPP_DEFAULT_NEW_ALIGNMENT__ >= kPlaceAlignment);
    void* memory = ::operator new(kDataOffset + bytes.size());
    const auto* storage = new (memory) HostBytes;
    std::uint8_t* data = static_cast<std::uint8_t*>(memory) + kDataOffset;
    if (!bytes.empty()) {
      std::memcpy(data, bytes.data(), bytes.size());
    }
    return {Shared<const ReplyStorage>::adopt(storage), BytesView(data, bytes.size())};
  }

 private:
  static const std::size_t kDataOffset;
  HostBytes() = default;
  void destroy() noexcept override {
    this->~HostBytes();
    ::operator delete(static_cast<void*>(this));
  }
};

constexpr std::size_t HostBytes::kDataOffset =
    (sizeof(HostBytes) + kPlaceAlignment - 1) / kPlaceAlignment * kPlaceAlignment;

class SegmentBytes final : public ReplyStorage {
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

}  // namespace

void Retired::add_segment(std::uint32_t number) {
  numbers_.lock()->segments.push_back(number);
  bell_.ring();
}

void Retired::add_route(std::uint32_t number) {
  numbers_.lock()->routes.push_back(number);
  bell_.ring();
}

Retired::Numbers Retired::take() {
  return std::exchange(*numbers_.lock(), {});
}

SharedSegment::~SharedSegment() {
  if (retired_ != nullptr) {
    retired_->add_segment(number_);
  }
}

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

StoredBytes copy_to_host(BytesView bytes) {
  return HostBytes::copy_of(bytes);
}

class ArgumentMemory::Block final : public ReplyStorage {
 public:
  Block(std::shared_ptr<ArgumentMemory> memory, const BlockRef& ref) : memory_(std::move(memory)), ref_(ref) {}
  ~Block() override { static_cast<void>(memory_->arena_.lock()->free(ref_)); }
  [[nodiscard]] const SharedSegment* segment() const noexcept override { return memory_->segment_.get(); }

 private:
  std::shared_ptr<ArgumentMemory> memory_;
  BlockRef ref_;
};

Result<std::shared_ptr<ArgumentMemory>> ArgumentMemory::create(std::uint64_t size_bytes,
                                                               std::shared_ptr<Retired> retired) {
  auto arena = Arena::create("tenon arguments", kFirstSegment, size_bytes, true);
  if (!arena) {
    return fail(std::move(arena.error()));
  }
  auto descriptor = arena->descriptor().duplicate();
  if (!descriptor) {
    return fail(std::move(descriptor.error()));
  }
  auto segment =
      make_shared_object<const SharedSegment>(kFirstSegment, std::move(*descriptor), arena->mapping(), nullptr);
  return std::make_shared<ArgumentMemory>(std::move(*arena), std::move(segment), std::move(retired));
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
  return StoredBytes{make_shared_object<Block>(shared_from_this(), block->ref), block->bytes.first(bytes.size())};
}

Result<StoredBytes> ArgumentMemory::store_apart(BytesView bytes) {
  const std::uint32_t number = next_segment_number();
  auto block = create_large_block("tenon argument", number, std::max<std::uint64_t>(bytes.size(), 1));
  if (!block) {
    return fail(std::move(block.error()));
  }
  std::copy(bytes.begin(), bytes.end(), block->mapping->writable_data());
  const BytesView stored(block->mapping->data(), bytes.size());
  auto segment = make_shared_object<const SharedSegment>(number, std::move(block->descriptor),
                                                         std::move(block->mapping), retired_);
  return StoredBytes{make_shared_object<SegmentBytes>(std::move(segment), held_apart_), stored};
}

class Transport::Lease final : public ReplyStorage {
 public:
  Lease(std::shared_ptr<Transport> transport, const BlockRef& ref) : transport_(std::move(transport)), ref_(ref) {}
  ~Lease() override { transport_->release(ref_); }
  [[nodiscard]] const SharedSegment* segment() const noexcept override { return transport_->results_.get(); }

 private:
  std::shared_ptr<Transport> transport_;
  BlockRef ref_;
};

StoredBytes Transport::lease(const BlockRef& block, BytesView bytes) {
  return {make_shared_object<Lease>(shared_from_this(), block), bytes};
}

void Transport::release(const BlockRef& block) {
  const std::lock_guard lock(release_mutex_);
  end_.release(block);
}

void Transport::flush_releases() {
  const std::lock_guard lock(release_mutex_);
  end_.flush_releases();
}

}  // namespace tenon::internal
