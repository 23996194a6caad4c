/// Large segments: they are reused, bounded and released.
#include "host/segment.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <numeric>
#include <thread>
#include <vector>

#include "host/storage.hpp"
#include "platform/file_descriptor.hpp"
#include "tenon_test/catch.hpp"

using namespace tenon::internal;

namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

tenon::Buffer pattern(std::size_t size, std::uint8_t first = 1) {
  tenon::Buffer bytes(size);
  std::iota(bytes.begin(), bytes.end(), first);
  return bytes;
}

struct Memory {
  explicit Memory(std::uint64_t cache_bytes, std::uint32_t first_segment = kFirstSegment) {
    arguments = *ArgumentMemory::create(
        {.arena_bytes = 4 * kMiB, .cache_bytes = cache_bytes, .first_segment = first_segment}, retired);
  }
  [[nodiscard]] SegmentCache& cache() const { return arguments->cache(); }
  EventBell bell = std::move(*EventBell::create());
  std::shared_ptr<Retired> retired = std::make_shared<Retired>(EventBell(std::move(*bell.descriptor().duplicate())));
  std::shared_ptr<ArgumentMemory> arguments;
};

/// Returns the numbers of `count` segments after they have been unmapped; fewer after half a
/// minute.
std::vector<std::uint32_t> retired_in_the_end(const Memory& memory, std::size_t count) {
  std::vector<std::uint32_t> numbers;
  for (int i = 0; i < 3000 && numbers.size() < count; ++i) {
    for (const std::uint32_t number : memory.retired->take().segments) {
      numbers.push_back(number);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return numbers;
}

std::uint32_t segment_of(const StoredBytes& stored) {
  return stored.place()->segment;
}

}  // namespace

TEST_CASE("large_block_capacity: wastes a fifth at most, in whole pages, and like sizes share one") {
  for (std::uint64_t size = kMiB; size < 600 * kMiB; size = size * 17 / 16 + 4099) {
    const std::uint64_t capacity = large_block_capacity(size);
    REQUIRE(capacity >= size);
    REQUIRE(capacity <= size + size / 4);
    REQUIRE(capacity % page_size_bytes() == 0);
  }
  REQUIRE(large_block_capacity(kMiB) == kMiB);
  REQUIRE(large_block_capacity(kMiB + 1) == kMiB + kMiB / 4);
  REQUIRE(large_block_capacity(1) == page_size_bytes());
}

TEST_CASE("SegmentCache: a large argument takes the place of the last one, without a new descriptor") {
  const Memory memory(64 * kMiB);
  const std::uint32_t first = segment_of(*memory.arguments->store(pattern(3'000'000)));
  const std::size_t descriptors = *open_descriptor_count();
  for (int round = 0; round < 5; ++round) {
    const tenon::Buffer bytes =
        pattern(2'900'000 + static_cast<std::size_t>(round) * 1000, static_cast<std::uint8_t>(round));
    const auto stored = memory.arguments->store(bytes);
    REQUIRE(stored);
    REQUIRE(segment_of(*stored) == first);
    REQUIRE(tenon::Buffer(stored->bytes.begin(), stored->bytes.end()) == bytes);
    REQUIRE(*open_descriptor_count() == descriptors);
  }
  REQUIRE(memory.retired->take().segments.empty());
}

TEST_CASE("SegmentCache: a segment in use is never given out again") {
  const Memory memory(64 * kMiB);
  const auto first = memory.arguments->store(pattern(2'000'000, 1));
  const auto copy = *first;
  const auto second = memory.arguments->store(pattern(2'000'000, 2));
  REQUIRE(segment_of(*first) != segment_of(*second));
  const std::uint32_t number = segment_of(copy);
  { const auto dropped = *second; }
  REQUIRE(copy.bytes[0] == 1);
  REQUIRE(segment_of(*memory.arguments->store(pattern(2'000'000, 3))) != number);
}

TEST_CASE("SegmentCache: neither a smaller segment nor one of more than twice the size is taken") {
  const Memory memory(64 * kMiB);
  const std::uint32_t first = segment_of(*memory.arguments->store(pattern(8 * kMiB)));
  REQUIRE(segment_of(*memory.arguments->store(pattern(2 * kMiB))) != first);
  REQUIRE(segment_of(*memory.arguments->store(pattern(9 * kMiB))) != first);
  REQUIRE(segment_of(*memory.arguments->store(pattern(5 * kMiB))) == first);
}

TEST_CASE("SegmentCache: keeps no more than its bound, the longest idle goes first") {
  const Memory memory(8 * kMiB);
  std::vector<std::uint32_t> numbers;
  {
    std::vector<StoredBytes> held;
    for (int i = 0; i < 6; ++i) {
      held.push_back(std::move(*memory.arguments->store(pattern(2 * kMiB))));
      numbers.push_back(segment_of(held.back()));
    }
    REQUIRE(memory.cache().idle_segments() == 0);
    for (StoredBytes& each : held) {
      each = {};
    }
  }
  REQUIRE(memory.cache().idle_segments() == 4);
  REQUIRE(memory.cache().idle_bytes() == 8 * kMiB);
  REQUIRE(memory.retired->take().segments == std::vector<std::uint32_t>{numbers[0], numbers[1]});
  const std::uint32_t larger = segment_of(*memory.arguments->store(pattern(9 * kMiB)));
  REQUIRE(retired_in_the_end(memory, 1) == std::vector<std::uint32_t>{larger});
  REQUIRE(memory.cache().idle_segments() == 4);
}

TEST_CASE("SegmentCache: holds a bounded number of descriptors") {
  const Memory memory(64 * kMiB);
  {
    std::vector<StoredBytes> held;
    for (std::size_t i = 0; i < SegmentCache::kMaxSegments + 10; ++i) {
      held.push_back(std::move(*memory.arguments->store_apart(pattern(10))));
    }
  }
  REQUIRE(memory.cache().idle_segments() == SegmentCache::kMaxSegments);
}

TEST_CASE("SegmentCache: what lies idle goes back to the system, and the reactor is woken once to see to it") {
  const Memory memory(64 * kMiB);
  const std::size_t descriptors = *open_descriptor_count();
  REQUIRE_FALSE(memory.bell.drain());
  for (int round = 0; round < 3; ++round) {
    REQUIRE(memory.arguments->store(pattern(2 * kMiB)));
    REQUIRE(memory.bell.drain() == (round == 0));
  }
  const MonotonicNs now_ns = monotonic_now_ns();
  const MonotonicNs due_ns = memory.arguments->trim(now_ns);
  REQUIRE(due_ns > now_ns);
  REQUIRE(due_ns <= now_ns + SegmentCache::kIdleNs);
  REQUIRE(memory.cache().idle_segments() == 1);
  REQUIRE(memory.arguments->trim(due_ns - 1) == due_ns);
  REQUIRE(memory.arguments->trim(due_ns) == kNever);
  REQUIRE(memory.cache().idle_segments() == 0);
  REQUIRE(memory.cache().idle_bytes() == 0);
  REQUIRE(*open_descriptor_count() == descriptors);
  REQUIRE(memory.retired->take().segments.size() == 1);
}

TEST_CASE("SegmentCache: much memory is given back by a thread of its own, all of it") {
  const std::size_t descriptors = *open_descriptor_count();
  for (const bool wait : {true, false}) {
    const Memory memory(256 * kMiB);
    for (int round = 0; round < 3; ++round) {
      std::vector<StoredBytes> held;
      for (int i = 0; i < 4; ++i) {
        held.push_back(std::move(*memory.arguments->store(pattern(9 * kMiB))));
      }
      held.clear();
      REQUIRE(memory.cache().idle_segments() == 4);
      REQUIRE(memory.arguments->trim(monotonic_now_ns() + 2 * SegmentCache::kIdleNs) == kNever);
      REQUIRE(memory.cache().idle_segments() == 0);
      if (wait) {
        REQUIRE(retired_in_the_end(memory, 4).size() == 4);
      }
    }
  }
  REQUIRE(*open_descriptor_count() == descriptors);
}

TEST_CASE("SegmentCache: threads that store, share, drop and trim at once never get each other's bytes") {
  const Memory memory(16 * kMiB);
  std::atomic<int> wrong{0};
  std::atomic<bool> done{false};
  std::thread trimmer([&] {
    while (!done.load()) {
      static_cast<void>(memory.arguments->trim(monotonic_now_ns() + 2 * SegmentCache::kIdleNs));
      std::this_thread::sleep_for(std::chrono::milliseconds(3));
    }
  });
  std::vector<std::thread> threads;
  for (std::uint8_t thread = 1; thread <= 3; ++thread) {
    threads.emplace_back([&memory, &wrong, thread] {
      for (std::size_t round = 0; round < 30; ++round) {
        const tenon::Buffer bytes(kMiB + round * 300'000, thread);
        const auto stored = memory.arguments->store(bytes);
        if (!stored) {
          ++wrong;
          continue;
        }
        auto copy = *stored;
        std::thread([other = std::move(copy), &wrong, thread] {
          wrong += other.bytes.front() == thread && other.bytes.back() == thread ? 0 : 1;
        }).join();
        wrong += std::equal(bytes.begin(), bytes.end(), stored->bytes.begin()) ? 0 : 1;
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  done.store(true);
  trimmer.join();
  REQUIRE(wrong == 0);
  REQUIRE(memory.cache().idle_bytes() <= 16 * kMiB);
}

TEST_CASE("SegmentCache: a segment that outlives the runtime's memory ends with its last handle") {
  const std::size_t descriptors = *open_descriptor_count();
  {
    StoredBytes left;
    {
      const Memory memory(64 * kMiB);
      left = *memory.arguments->store(pattern(2 * kMiB));
      REQUIRE(memory.arguments->store(pattern(4 * kMiB)));
    }
    REQUIRE(left.bytes[1] == 2);
  }
  REQUIRE(*open_descriptor_count() == descriptors);
}

TEST_CASE("ArgumentMemory: segment numbers that are used up are an error") {
  const Memory memory(0, kInlineSegment - 3);
  REQUIRE(segment_of(*memory.arguments->store(pattern(10))) == kInlineSegment - 3);
  REQUIRE(*memory.arguments->next_segment_number() == kInlineSegment - 2);
  REQUIRE(*memory.arguments->next_segment_number() == kInlineSegment - 1);
  for (int i = 0; i < 3; ++i) {
    const auto number = memory.arguments->next_segment_number();
    REQUIRE_FALSE(number);
    REQUIRE(number.error().code == tenon::ErrorCode::kUnavailable);
  }
  const auto stored = memory.arguments->store(pattern(2 * kMiB));
  REQUIRE_FALSE(stored);
  REQUIRE(stored.error().message.find("segment numbers") != std::string::npos);
}

TEST_CASE("ArgumentMemory: built blocks lie where workers find them, small and large, and can be made longer") {
  const Memory memory(64 * kMiB);
  for (const std::uint64_t size : {std::uint64_t{1}, std::uint64_t{4096}, 2 * kMiB}) {
    auto block = memory.arguments->reserve(size);
    REQUIRE(block);
    REQUIRE(block->bytes.size() >= size);
    REQUIRE(reinterpret_cast<std::uintptr_t>(block->bytes.data()) % 16 == 0);
    REQUIRE(block->bytes.size() % 16 == 0);
    block->bytes.back() = 42;
    const tenon::BytesView last = block->bytes.last(16);
    const StoredBytes stored = memory.arguments->commit(std::move(*block), last);
    REQUIRE(stored.place());
    REQUIRE(stored.place()->size_bytes == 16);
    REQUIRE((stored.place()->segment == kFirstSegment) == (size < kMiB));
    REQUIRE(memory.arguments->owns(stored));
    REQUIRE(stored.bytes[15] == 42);
  }
  auto large = *memory.arguments->reserve(kMiB + 1);
  std::uint8_t* end = large.bytes.data() + large.bytes.size();
  REQUIRE(memory.arguments->extend(large, kMiB + kMiB / 4));
  REQUIRE(large.bytes.data() + large.bytes.size() == end);
  REQUIRE(large.bytes.size() == kMiB + kMiB / 4);
  REQUIRE_FALSE(memory.arguments->extend(large, 8 * kMiB));
  auto small = *memory.arguments->reserve(1000);
  end = small.bytes.data() + small.bytes.size();
  REQUIRE(memory.arguments->extend(small, 100'000));
  REQUIRE(small.bytes.size() == 100'000);
  REQUIRE(small.bytes.data() + small.bytes.size() == end);
  REQUIRE_FALSE(memory.arguments->extend(small, 8 * kMiB));
  REQUIRE(small.bytes.size() == 100'000);
}

TEST_CASE("ArgumentMemory: what is not kept of a block in the arena can be used again") {
  const Memory memory(0);
  std::vector<StoredBytes> held;
  for (int i = 0; i < 100; ++i) {
    auto block = memory.arguments->reserve(500'000);
    REQUIRE(block);
    REQUIRE(block->arena != nullptr);
    const tenon::BytesView last = block->bytes.last(1008);
    held.push_back(memory.arguments->commit(std::move(*block), last));
  }
}

TEST_CASE("ArgumentMemory: another runtime's bytes are not its own") {
  const Memory memory(0);
  const Memory other(0);
  REQUIRE(memory.arguments->owns(*memory.arguments->store(pattern(500))));
  REQUIRE_FALSE(memory.arguments->owns(*other.arguments->store(pattern(500))));
  REQUIRE_FALSE(memory.arguments->owns(*other.arguments->store(pattern(2 * kMiB))));
  REQUIRE_FALSE(memory.arguments->owns(copy_to_host(pattern(500))));
}
