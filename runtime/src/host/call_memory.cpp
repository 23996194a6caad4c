#include "host/call_memory.hpp"

#include <algorithm>
#include <new>
#include <utility>

#include "base/hot.hpp"
#include "platform/private_pages.hpp"

namespace tenon::internal {

namespace {

constexpr std::size_t kChunkBytes = std::size_t{2} << 20;
/// How long spare chunks are observed before unneeded ones are returned.
constexpr std::int64_t kWatchNs = 5'000'000'000;
/// Chunks returned at once; a pause follows, because unmapping a chunk takes up to a millisecond and the reactor has
/// other work.
constexpr int kTrimmedAtOnce = 2;
constexpr std::int64_t kTrimPauseNs = 5'000'000;

}  // namespace

/// At the start of its pages; blocks find it by rounding down their address.
struct alignas(64) CallMemory::Chunk {
  Shared<CallMemory> memory;  // Kept while a block is in use.
  Chunk* next = nullptr;      // Neighbours in the list of SizeClass.
  Chunk* previous = nullptr;
  FreeBlock* free = nullptr;
  std::size_t block_bytes = 0;
  std::size_t used = 0;
  std::size_t fresh_bytes = sizeof(Chunk);  // No block beyond it was handed out since the chunk was last empty.

  [[nodiscard]] bool full() const noexcept { return free == nullptr && fresh_bytes + block_bytes > kChunkBytes; }
};

CallMemory::CallMemory(std::shared_ptr<Retired> retired) noexcept : retired_(std::move(retired)) {}

CallMemory::~CallMemory() {
  auto state = state_.lock();
  for (SizeClass& size_class : state->classes) {
    while (size_class.spare != nullptr) {
      unmap_private_pages(take_spare(size_class), kChunkBytes);
    }
  }
}

void CallMemory::link(SizeClass& size_class, Chunk& chunk) noexcept {
  chunk.previous = nullptr;
  chunk.next = size_class.open;
  if (chunk.next != nullptr) {
    chunk.next->previous = &chunk;
  }
  size_class.open = &chunk;
}

void CallMemory::unlink(SizeClass& size_class, Chunk& chunk) noexcept {
  (chunk.previous != nullptr ? chunk.previous->next : size_class.open) = chunk.next;
  if (chunk.next != nullptr) {
    chunk.next->previous = chunk.previous;
  }
}

CallMemory::Chunk* CallMemory::take_spare(SizeClass& size_class) noexcept {
  Chunk* chunk = size_class.spare;
  if (chunk != nullptr) {
    size_class.spare = chunk->next;
    --size_class.spares;
    size_class.least_spares = std::min(size_class.least_spares, size_class.spares);
  }
  return chunk;
}

TENON_HOT void* CallMemory::allocate(std::size_t size_bytes) {
  const std::size_t units = (size_bytes + kUnitBytes - 1) / kUnitBytes;
  auto state = state_.lock();
  SizeClass& size_class = state->classes[units - 1];
  if (size_class.open == nullptr) {
    Chunk* chunk = take_spare(size_class);
    if (chunk == nullptr) {
      auto pages = map_private_pages(kChunkBytes);
      if (!pages) {
        throw std::bad_alloc();
      }
      chunk = new (*pages) Chunk;
      chunk->block_bytes = units * kUnitBytes;
      ++size_class.chunks;
    }
    chunk->memory = Shared<CallMemory>::share(this);
    link(size_class, *chunk);
  }
  Chunk& chunk = *size_class.open;
  void* block = chunk.free;
  if (block != nullptr) {
    chunk.free = chunk.free->next;
  } else {
    block = reinterpret_cast<char*>(&chunk) + chunk.fresh_bytes;
    chunk.fresh_bytes += chunk.block_bytes;
  }
  ++chunk.used;
  if (chunk.full()) {
    unlink(size_class, chunk);
  }
  return block;
}

void CallMemory::free(void* block) noexcept {
  auto* chunk = reinterpret_cast<Chunk*>(reinterpret_cast<std::uintptr_t>(block) & ~(kChunkBytes - 1));
  Shared<CallMemory> memory;  // May be the last reference: released after the lock.
  bool gone = false;
  bool ring = false;
  {
    auto state = chunk->memory->state_.lock();
    SizeClass& size_class = state->classes[chunk->block_bytes / kUnitBytes - 1];
    if (chunk->full()) {
      link(size_class, *chunk);
    }
    chunk->free = new (block) FreeBlock{chunk->free};
    if (--chunk->used > 0) {
      return;
    }
    unlink(size_class, *chunk);
    memory = std::move(chunk->memory);
    if (state->closed) {
      --size_class.chunks;
      gone = true;
    } else {
      chunk->free = nullptr;
      chunk->fresh_bytes = sizeof(Chunk);
      chunk->next = std::exchange(size_class.spare, chunk);
      if (++size_class.spares > 1 && state->next_trim_ns == kNever) {
        state->next_trim_ns = monotonic_now_ns() + kWatchNs;
        ring = true;
      }
    }
  }
  if (gone) {
    unmap_private_pages(chunk, kChunkBytes);
  }
  if (ring) {
    memory->retired_->ring();
  }
}

MonotonicNs CallMemory::trim(MonotonicNs now_ns) noexcept {
  std::array<Chunk*, kTrimmedAtOnce> gone{};
  std::size_t count = 0;
  MonotonicNs next_ns = kNever;
  {
    auto state = state_.lock();
    if (now_ns < state->next_trim_ns) {
      return state->next_trim_ns;
    }
    bool watched = false;
    for (SizeClass& size_class : state->classes) {
      while (size_class.least_spares > 1 && count < gone.size()) {
        gone[count++] = take_spare(size_class);
        --size_class.chunks;
      }
      watched = watched || size_class.spares > 1;
    }
    if (count == gone.size()) {
      next_ns = now_ns + kTrimPauseNs;
    } else if (watched) {
      for (SizeClass& size_class : state->classes) {
        size_class.least_spares = size_class.spares;
      }
      next_ns = now_ns + kWatchNs;
    }
    state->next_trim_ns = next_ns;
  }
  for (std::size_t i = 0; i < count; ++i) {
    unmap_private_pages(gone[i], kChunkBytes);
  }
  return next_ns;
}

void CallMemory::close() noexcept {
  state_.lock()->closed = true;
}

std::size_t CallMemory::chunk_count() {
  auto state = state_.lock();
  std::size_t count = 0;
  for (const SizeClass& size_class : state->classes) {
    count += size_class.chunks;
  }
  return count;
}

}  // namespace tenon::internal
