#include "ipc/arena.hpp"

#include <cstring>
#include <random>
#include <vector>

#include "ipc/arena_allocator.hpp"
#include "tenon_test/catch.hpp"

using namespace tenon;
using namespace tenon::internal;

TEST_CASE("ArenaAllocator: gives aligned ranges that do not overlap, and all of the region") {
  ArenaAllocator allocator(64 * 16);
  std::vector<ArenaRange> ranges;
  for (int i = 0; i < 16; ++i) {
    auto range = allocator.allocate(64);
    REQUIRE(range);
    CHECK(range->offset_bytes == static_cast<std::uint64_t>(15 - i) * 64);
    ranges.push_back(*range);
  }
  CHECK(allocator.free_bytes() == 0);
  auto more = allocator.allocate(1);
  REQUIRE_FALSE(more);
  CHECK(more.error().code == ErrorCode::kOutOfMemory);
  for (const ArenaRange& range : ranges) {
    CHECK(allocator.free(range.tag, range.offset_bytes));
  }
  CHECK(allocator.allocate(64 * 16));
  CHECK(allocator.consistent());
}

TEST_CASE("ArenaAllocator: zero bytes take one granule, too many are too large") {
  ArenaAllocator allocator(1 << 16);
  CHECK(allocator.allocate(0)->size_bytes == 64);
  CHECK(allocator.allocate((1 << 16) + 1).error().code == ErrorCode::kTooLarge);
  CHECK(allocator.allocate(~std::uint64_t{0}).error().code == ErrorCode::kTooLarge);
  ArenaAllocator none(63);
  CHECK_FALSE(none.allocate(0));
  CHECK(none.consistent());
}

TEST_CASE("ArenaAllocator: free rejects a foreign or double offset") {
  ArenaAllocator allocator(1 << 16);
  const ArenaRange range = *allocator.allocate(1000);
  const ArenaRange other = *allocator.allocate(1000);
  CHECK_FALSE(allocator.free(range.tag, other.offset_bytes));
  CHECK_FALSE(allocator.free(range.tag, range.offset_bytes + range.size_bytes));
  CHECK_FALSE(allocator.free(999, range.offset_bytes));
  CHECK_FALSE(allocator.free(0xffffffff, 0));
  CHECK(allocator.ranges_in_use() == 2);
  CHECK(allocator.free(range.tag, range.offset_bytes + 16));
  auto again = allocator.free(range.tag, range.offset_bytes);
  REQUIRE_FALSE(again);
  CHECK(again.error().code == ErrorCode::kCorrupt);
  CHECK(allocator.consistent());
}

TEST_CASE("ArenaAllocator: trim gives front and back of a range back") {
  ArenaAllocator allocator(1 << 16);
  const ArenaRange range = *allocator.allocate(4096);
  const auto kept = allocator.trim(range.tag, range.offset_bytes + 1000, 100);
  REQUIRE(kept);
  CHECK(kept->offset_bytes == range.offset_bytes + 960);
  CHECK(kept->size_bytes == 192);
  CHECK(kept->tag == range.tag);
  CHECK(allocator.consistent());
  CHECK_FALSE(allocator.trim(range.tag, kept->offset_bytes, 193));
  CHECK(allocator.free(kept->tag, kept->offset_bytes));
  CHECK(allocator.free_bytes() == allocator.capacity_bytes());
  CHECK(allocator.consistent());
}

TEST_CASE("ArenaAllocator: blocks of which only the end is kept leave no holes") {
  ArenaAllocator allocator(1 << 20);
  const std::uint64_t kept_bytes = 4096;
  for (std::uint64_t i = 0; i < 200; ++i) {
    const auto range = allocator.allocate(200'000);
    REQUIRE(range);
    REQUIRE(allocator.trim(range->tag, range->offset_bytes + range->size_bytes - kept_bytes, kept_bytes));
  }
  CHECK(allocator.allocate(allocator.free_bytes()));
  CHECK(allocator.consistent());
}

TEST_CASE("ArenaAllocator: extend takes the free room in front, all of it if need be, and nothing else") {
  ArenaAllocator allocator(64 * 100);
  const ArenaRange behind = *allocator.allocate(640);
  const ArenaRange range = *allocator.allocate(640);
  const std::uint64_t end = range.offset_bytes + range.size_bytes;
  CHECK(allocator.extend(range.tag, 1)->size_bytes == 640);
  const auto longer = allocator.extend(range.tag, 641);
  REQUIRE(longer);
  CHECK(longer->size_bytes == 704);
  CHECK(longer->offset_bytes + longer->size_bytes == end);
  CHECK(longer->tag == range.tag);
  CHECK(allocator.consistent());
  CHECK_FALSE(allocator.extend(behind.tag, 641));
  CHECK_FALSE(allocator.extend(range.tag, 64 * 90 + 1));
  CHECK_FALSE(allocator.extend(range.tag, ~std::uint64_t{0}));
  CHECK_FALSE(allocator.extend(99, 64));
  CHECK(allocator.extend(range.tag, 64 * 90)->offset_bytes == 0);
  CHECK(allocator.free_bytes() == 0);
  CHECK(allocator.consistent());
  CHECK(allocator.free(behind.tag, behind.offset_bytes));
  CHECK(allocator.free(range.tag, 0));
  CHECK_FALSE(allocator.extend(range.tag, 64));
  CHECK(allocator.free_bytes() == allocator.capacity_bytes());
  CHECK(allocator.consistent());
}

TEST_CASE("ArenaAllocator: stays consistent under a long random life") {
  ArenaAllocator allocator(std::uint64_t{4} << 20);
  std::mt19937 random(20240501);
  std::vector<ArenaRange> live;
  for (int step = 0; step < 20000; ++step) {
    const auto choice = random() % 100;
    if (live.empty() || choice < 55) {
      const std::uint64_t size = std::uint64_t{1} << (random() % 15);
      if (auto range = allocator.allocate(size + random() % size)) {
        live.push_back(*range);
      }
    } else {
      const std::size_t at = random() % live.size();
      ArenaRange range = live[at];
      if (choice < 65) {
        auto kept = allocator.trim(range.tag, range.offset_bytes + random() % range.size_bytes, 1);
        REQUIRE(kept);
        range = *kept;
      } else if (choice >= 85) {
        range = allocator.extend(range.tag, range.size_bytes + random() % 4096).value_or(range);
      }
      REQUIRE(allocator.free(range.tag, range.offset_bytes));
      live[at] = live.back();
      live.pop_back();
    }
    if (step % 500 == 0) {
      REQUIRE(allocator.consistent());
    }
  }
  for (const ArenaRange& range : live) {
    REQUIRE(allocator.free(range.tag, range.offset_bytes));
  }
  CHECK(allocator.consistent());
  CHECK(allocator.free_bytes() == allocator.capacity_bytes());
}

TEST_CASE("Arena: a block is built downwards, kept, read by another mapping and given back") {
  auto arena = Arena::create("test", 7, 1 << 20, true);
  REQUIRE(arena);
  auto block = arena->allocate(10'000);
  REQUIRE(block);
  CHECK(reinterpret_cast<std::uintptr_t>(block->bytes.data()) % 64 == 0);
  std::uint8_t* start = block->bytes.data() + block->bytes.size() - 160;
  std::memset(start, 42, 160);
  auto kept = arena->keep(*block, start, 150);
  REQUIRE(kept);
  CHECK(kept->segment == 7);
  CHECK(kept->size_bytes == 150);
  CHECK(arena->allocator().free_bytes() >= (1 << 20) - 256);

  auto foreign = map_foreign_segment(*arena->descriptor().duplicate());
  REQUIRE(foreign);
  CHECK((*foreign)->data()[kept->offset_bytes] == 42);

  BlockRef wrong = *kept;
  wrong.segment = 8;
  CHECK(arena->free(wrong).error().code == ErrorCode::kCorrupt);
  CHECK(arena->free(*kept));
  CHECK(arena->free(*kept).error().code == ErrorCode::kCorrupt);
}

TEST_CASE("Arena: keep refuses bytes outside the block or not aligned, and takes an empty result") {
  auto arena = Arena::create("test", 7, 1 << 16, false);
  REQUIRE(arena);
  auto block = arena->allocate(256);
  REQUIRE(block);
  const std::uint8_t* data = block->bytes.data();
  CHECK_FALSE(arena->keep(*block, data - 16, 16));
  CHECK_FALSE(arena->keep(*block, data, 257));
  CHECK_FALSE(arena->keep(*block, data + 8, 16));
  auto empty = arena->keep(*block, data + 256, 0);
  REQUIRE(empty);
  CHECK(empty->size_bytes == 0);
  CHECK(arena->free(*empty));
}

TEST_CASE("Arena: a worker's arena over the host's memory shuts out all other writers") {
  auto memory = SharedMemory::create("results", 1 << 16);
  REQUIRE(memory);
  REQUIRE(memory->seal({.shrink = true, .grow = true}));
  auto arena = Arena::over(*memory, 3);
  REQUIRE(arena);
  CHECK(arena->allocate(100));
  CHECK_FALSE(memory->map(Access::kReadWrite));
  CHECK(memory->map(Access::kReadOnly));
}

TEST_CASE("map_foreign_segment: refuses memory that its maker could still shrink or others write") {
  auto memory = SharedMemory::create("bad", 4096);
  REQUIRE(memory);
  CHECK(map_foreign_segment(*memory->descriptor().duplicate()).error().code == ErrorCode::kCorrupt);
  REQUIRE(memory->seal({.shrink = true, .grow = true}));
  CHECK(map_foreign_segment(*memory->descriptor().duplicate()).error().code == ErrorCode::kCorrupt);
  REQUIRE(memory->seal({.future_write = true}));
  CHECK(map_foreign_segment(*memory->descriptor().duplicate()));
  CHECK_FALSE(map_foreign_segment(FileDescriptor()));
}

TEST_CASE("create_large_block: its content lies at its end, aligned") {
  Buffer content(100'001);
  for (std::size_t i = 0; i < content.size(); ++i) {
    content[i] = static_cast<std::uint8_t>(i * 7);
  }
  auto block = create_large_block("large", 12, kLargeBlockBytes, content);
  REQUIRE(block);
  const std::uint64_t offset = kLargeBlockBytes - 100'016;
  CHECK(std::memcmp(block->mapping->data() + offset, content.data(), content.size()) == 0);
  CHECK(block->mapping->data()[offset - 1] == 0);
  auto foreign = map_foreign_segment(std::move(block->descriptor));
  REQUIRE(foreign);
  CHECK(std::memcmp((*foreign)->data() + offset, content.data(), content.size()) == 0);
  const auto small = create_large_block("small", 12, 16, BytesView(content).first(17));
  REQUIRE_FALSE(small);
  CHECK(small.error().code == ErrorCode::kInvalidArgument);
}

TEST_CASE("create_large_block: a segment of its own that others can only read") {
  auto block = create_large_block("large", 12, kLargeBlockBytes);
  REQUIRE(block);
  block->mapping->writable_data()[kLargeBlockBytes - 1] = 9;
  auto foreign = map_foreign_segment(std::move(block->descriptor));
  REQUIRE(foreign);
  CHECK((*foreign)->data()[kLargeBlockBytes - 1] == 9);
  CHECK(block->ref == BlockRef{.segment = 12, .tag = 0, .offset_bytes = 0, .size_bytes = kLargeBlockBytes});
}
