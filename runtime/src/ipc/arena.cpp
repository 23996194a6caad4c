#include "ipc/arena.hpp"

#include <string>
#include <utility>

#include "base/checked.hpp"
#include "base/try.hpp"

namespace tenon::internal {

namespace {

constexpr Seals kOneWriter = {.shrink = true, .grow = true, .future_write = true};

}  // namespace

Arena::Arena(std::uint32_t segment, FileDescriptor descriptor, std::shared_ptr<Mapping> mapping)
    : segment_(segment),
      descriptor_(std::move(descriptor)),
      mapping_(mapping),
      data_(mapping->writable_data()),
      allocator_(mapping->size_bytes()) {}

Result<Arena> Arena::create(std::string_view name, std::uint32_t segment, std::uint64_t size_bytes, bool seal_writes) {
  TENON_ASSIGN(auto memory, SharedMemory::create(name, size_bytes));
  TENON_ASSIGN(auto mapping, memory.map(Access::kReadWrite));
  TENON_TRY(memory.seal({.shrink = true, .grow = true, .future_write = seal_writes}));
  return Arena(segment, memory.take_descriptor(), std::make_shared<Mapping>(std::move(mapping)));
}

Result<Arena> Arena::over(const SharedMemory& memory, std::uint32_t segment) {
  TENON_ASSIGN(auto mapping, memory.map(Access::kReadWrite));
  TENON_TRY(memory.seal(kOneWriter));
  return Arena(segment, FileDescriptor(), std::make_shared<Mapping>(std::move(mapping)));
}

Arena Arena::over_mapping(std::shared_ptr<Mapping> mapping, std::uint32_t segment) {
  return Arena(segment, FileDescriptor(), std::move(mapping));
}

Result<ArenaBlock> Arena::allocate(std::uint64_t size_bytes) {
  auto range = allocator_.allocate(size_bytes);
  if (!range) {
    return fail(std::move(range.error()));
  }
  return ArenaBlock{
      .ref = {.segment = segment_, .tag = range->tag, .offset_bytes = range->offset_bytes, .size_bytes = size_bytes},
      .bytes = MutableBytesView(data_ + range->offset_bytes, range->size_bytes)};
}

bool Arena::extend(ArenaBlock& block, std::uint64_t size_bytes) {
  const auto range = allocator_.extend(block.ref.tag, size_bytes);
  if (!range) {
    return false;
  }
  block.ref.offset_bytes = range->offset_bytes;
  block.ref.size_bytes = size_bytes;
  block.bytes = MutableBytesView(data_ + range->offset_bytes, range->size_bytes);
  return true;
}

Result<BlockRef> Arena::keep(const ArenaBlock& block, const std::uint8_t* data, std::uint64_t size_bytes) {
  const auto* begin = block.bytes.data();
  if (data < begin || data > begin + block.bytes.size() ||
      size_bytes > block.bytes.size() - static_cast<std::uint64_t>(data - begin)) {
    return fail(ErrorCode::kInvalidArgument, "the bytes to keep lie outside their block");
  }
  auto offset = static_cast<std::uint64_t>(data - data_);
  if (!is_aligned(offset, 16)) {
    return fail(ErrorCode::kInvalidArgument, "the bytes to keep are not aligned to 16");
  }
  if (size_bytes == 0) {
    // An empty result may start directly after the block.
    offset = block.ref.offset_bytes;
  }
  TENON_TRY(allocator_.trim(block.ref.tag, offset, size_bytes));
  return BlockRef{.segment = segment_, .tag = block.ref.tag, .offset_bytes = offset, .size_bytes = size_bytes};
}

Result<void> Arena::free(const BlockRef& block) {
  if (block.segment != segment_) {
    return fail(ErrorCode::kCorrupt, "a block of segment " + std::to_string(block.segment) +
                                         " was returned to the arena of segment " + std::to_string(segment_));
  }
  return allocator_.free(block.tag, block.offset_bytes);
}

Result<LargeBlock> create_large_block(std::string_view name, std::uint32_t segment, std::uint64_t size_bytes,
                                      BytesView content) {
  TENON_ASSIGN(auto memory, SharedMemory::create(name, size_bytes));
  TENON_ASSIGN(auto mapping, memory.map(Access::kReadWrite));
  if (!content.empty()) {
    const auto room = checked_align_up<std::uint64_t>(content.size(), 16);
    if (!room || *room > size_bytes) {
      return fail(ErrorCode::kInvalidArgument, "the content of a large block is larger than the block");
    }
    TENON_TRY(memory.write(size_bytes - *room, content));
  }
  TENON_TRY(memory.seal(kOneWriter));
  return LargeBlock{.mapping = std::make_shared<Mapping>(std::move(mapping)),
                    .descriptor = memory.take_descriptor(),
                    .ref = {.segment = segment, .tag = 0, .offset_bytes = 0, .size_bytes = size_bytes}};
}

Result<std::shared_ptr<const Mapping>> map_foreign_segment(FileDescriptor descriptor) {
  TENON_ASSIGN(auto memory, SharedMemory::adopt(std::move(descriptor), kOneWriter));
  TENON_ASSIGN(auto mapping, memory.map(Access::kReadOnly));
  return std::make_shared<const Mapping>(std::move(mapping));
}

}  // namespace tenon::internal
