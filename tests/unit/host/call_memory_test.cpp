#include "host/call_memory.hpp"

#include <cstring>
#include <memory>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "platform/doorbell.hpp"
#include "tenon_test/catch.hpp"

using namespace tenon::internal;

namespace {

constexpr std::size_t kBlockBytes = 144;
constexpr std::size_t kBlocksPerChunk = (std::size_t{2} << 20) / kBlockBytes - 1;
constexpr MonotonicNs kSecondNs = 1'000'000'000;

Shared<CallMemory> make_memory() {
  auto bell = EventBell::create();
  REQUIRE(bell);
  return make_shared_object<CallMemory>(std::make_shared<Retired>(std::move(*bell)));
}

/// Trims like a reactor, but without waiting.
void trim_all(CallMemory& memory) {
  MonotonicNs now_ns = monotonic_now_ns();
  for (int i = 0; i < 1000 && now_ns != kNever; ++i) {
    now_ns = memory.trim(now_ns + 10 * kSecondNs);
  }
  REQUIRE(now_ns == kNever);
}

}  // namespace

TEST_CASE("CallMemory: blocks are aligned, apart from each other, and used again") {
  const auto memory = make_memory();
  std::set<void*> blocks;
  for (std::size_t size = 1; size <= CallMemory::kMaxBlockBytes; ++size) {
    void* block = memory->allocate(size);
    REQUIRE(reinterpret_cast<std::uintptr_t>(block) % CallMemory::kUnitBytes == 0);
    std::memset(block, static_cast<int>(size), size);
    REQUIRE(blocks.insert(block).second);
  }
  for (void* block : blocks) {
    CallMemory::free(block);
  }
  void* first = memory->allocate(kBlockBytes);
  CallMemory::free(first);
  REQUIRE(memory->allocate(kBlockBytes) == first);
  CallMemory::free(first);
}

TEST_CASE("CallMemory: what a long queue took goes back once it is not needed") {
  const auto memory = make_memory();
  std::vector<void*> blocks(20 * kBlocksPerChunk);
  for (void*& block : blocks) {
    block = memory->allocate(kBlockBytes);
  }
  const std::size_t most = memory->chunk_count();
  REQUIRE(most >= 20);
  REQUIRE(memory->trim(monotonic_now_ns()) == kNever);  // There is no spare memory.
  const bool from_the_back = GENERATE(false, true);
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    CallMemory::free(blocks[from_the_back ? blocks.size() - 1 - i : i]);
  }
  REQUIRE(memory->chunk_count() == most);
  REQUIRE(memory->trim(monotonic_now_ns()) != kNever);  // Spare chunks are only observed at first.
  REQUIRE(memory->chunk_count() == most);
  trim_all(*memory);
  REQUIRE(memory->chunk_count() == 1);
}

TEST_CASE("CallMemory: chunks that are needed again and again stay") {
  const auto memory = make_memory();
  MonotonicNs now_ns = monotonic_now_ns();
  for (int round = 0; round < 5; ++round) {
    std::vector<void*> blocks(4 * kBlocksPerChunk);
    for (void*& block : blocks) {
      block = memory->allocate(kBlockBytes);
    }
    for (void* block : blocks) {
      CallMemory::free(block);
    }
    now_ns += 10 * kSecondNs;
    static_cast<void>(memory->trim(now_ns));
    REQUIRE(memory->chunk_count() >= 4);
  }
}

TEST_CASE("CallMemory: blocks outlive the runtime, and the last of a chunk takes it along") {
  auto memory = make_memory();
  std::vector<void*> blocks(2 * kBlocksPerChunk);
  for (void*& block : blocks) {
    block = memory->allocate(kBlockBytes);
  }
  memory->close();
  CallMemory& kept = *memory;
  memory = nullptr;
  const std::size_t most = kept.chunk_count();
  void* last = blocks.back();
  blocks.pop_back();
  for (void* block : blocks) {
    CallMemory::free(block);
  }
  REQUIRE(kept.chunk_count() < most);
  CallMemory::free(last);  // This also frees the memory itself.
}

TEST_CASE("CallMemory: threads allocate and free each other's blocks") {
  const auto memory = make_memory();
  constexpr int kThreads = 4;
  std::vector<std::vector<void*>> blocks(kThreads);
  const auto in_threads = [&](auto action) {
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([=] { action(i); });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
  };
  for (int round = 0; round < 3; ++round) {
    in_threads([&](int i) {
      for (std::size_t n = 0; n < kBlocksPerChunk; ++n) {
        auto* block = static_cast<int*>(memory->allocate(kBlockBytes));
        *block = i;
        blocks[static_cast<std::size_t>(i)].push_back(block);
      }
    });
    std::set<void*> all;
    for (int i = 0; i < kThreads; ++i) {
      for (void* block : blocks[static_cast<std::size_t>(i)]) {
        REQUIRE(*static_cast<int*>(block) == i);
        all.insert(block);
      }
    }
    REQUIRE(all.size() == kThreads * kBlocksPerChunk);
    in_threads([&](int i) {
      for (void* block : blocks[static_cast<std::size_t>((i + 1) % kThreads)]) {
        CallMemory::free(block);
      }
      blocks[static_cast<std::size_t>((i + 1) % kThreads)].clear();
    });
  }
  trim_all(*memory);
  REQUIRE(memory->chunk_count() == 1);
}
