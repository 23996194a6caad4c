#include "host/storage.hpp"

#include <algorithm>
#include <cstring>

#include "base/checked.hpp"

namespace tenon::internal {

namespace {

constexpr std::uint64_t kPlaceAlignment = 16;

class SmallBytes final : public ReplyStorage {
 public:
  explicit SmallBytes(BytesView bytes) { std::copy(bytes.begin(), bytes.end(), data_.begin()); }
  [[nodiscard]] const std::uint8_t* data() const noexcept { return data_.data(); }

 private:
  alignas(16) std::array<std::uint8_t, kCompletionInlineBytes> data_;
};

class HeapBytes final : public ReplyStorage {
 public:
  explicit HeapBytes(BytesView bytes) : data_(new std::uint8_t[bytes.size()]) {
    // operator new aligns to 16, as replies promise.
    static_assert(__STDCPP_DEFAULT_NEW_ALIGNMENT__ >= 16);
    std::memcpy(data_.get(), bytes.data(), bytes.size());
  }
  [[nodiscard]] const std::uint8_t* data() const noexcept { return data_.get(); }

 private:
  std::unique_ptr<std::uint8_t[]> data_;
};

class SegmentBytes final : public ReplyStorage {
 public:
  SegmentBytes(std::shared_ptr<const SharedSegment> segment, std::shared_ptr<std::atomic<std::uint64_t>> held)
      : segment_(std::move(segment)), held_(std::move(held)) {
    held_->fetch_add(1, std::memory_order_relaxed);
  }
  ~SegmentBytes() override { held_->fetch_sub(1, std::memory_order_relaxed); }
  [[nodiscard]] std::shared_ptr<const SharedSegment> segment() const noexcept override { return segment_; }

 private:
  std::shared_ptr<const SharedSegment> segment_;
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
  const auto segment = storage == nullptr ? nullptr : storage->segment();
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
  if (bytes.size() <= kCompletionInlineBytes) {
    auto small = std::make_shared<SmallBytes>(bytes);
    const BytesView copy(small->data(), bytes.size());
    return {std::move(small), copy};
  }
  auto heap = std::make_shared<HeapBytes>(bytes);
  const BytesView copy(heap->data(), bytes.size());
  return {std::move(heap), copy};
}

class ArgumentMemory::Block final : public ReplyStorage {
 public:
  Block(std::shared_ptr<ArgumentMemory> memory, const BlockRef& ref) : memory_(std::move(memory)), ref_(ref) {}
  ~Block() override { static_cast<void>(memory_->arena_.lock()->free(ref_)); }
  [[nodiscard]] std::shared_ptr<const SharedSegment> segment() const noexcept override { return memory_->segment_; }

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
      std::make_shared<const SharedSegment>(kFirstSegment, std::move(*descriptor), arena->mapping(), nullptr);
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
  return StoredBytes{std::make_shared<Block>(shared_from_this(), block->ref), block->bytes.first(bytes.size())};
}

Result<StoredBytes> ArgumentMemory::store_apart(BytesView bytes) {
  const std::uint32_t number = next_segment_number();
  auto block = create_large_block("tenon argument", number, std::max<std::uint64_t>(bytes.size(), 1));
  if (!block) {
    return fail(std::move(block.error()));
  }
  std::copy(bytes.begin(), bytes.end(), block->mapping->writable_data());
  const BytesView stored(block->mapping->data(), bytes.size());
  auto segment =
      std::make_shared<const SharedSegment>(number, std::move(block->descriptor), std::move(block->mapping), retired_);
  return StoredBytes{std::make_shared<SegmentBytes>(std::move(segment), held_apart_), stored};
}

class Transport::Lease final : public ReplyStorage {
 public:
  Lease(std::shared_ptr<Transport> transport, const BlockRef& ref) : transport_(std::move(transport)), ref_(ref) {}
  ~Lease() override { transport_->release(ref_); }
  [[nodiscard]] std::shared_ptr<const SharedSegment> segment() const noexcept override { return transport_->results_; }

 private:
  std::shared_ptr<Transport> transport_;
  BlockRef ref_;
};

StoredBytes Transport::lease(const BlockRef& block, BytesView bytes) {
  return {std::make_shared<Lease>(shared_from_this(), block), bytes};
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
