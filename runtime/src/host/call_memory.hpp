/// host/call_memory.hpp: memory for calls, of which there may be ten million.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include <tenon/internal/shared_object.hpp>

#include "base/clock.hpp"
#include "base/guarded.hpp"
#include "host/lock_order.hpp"
#include "host/segment.hpp"

namespace tenon::internal {

/// Blocks of a few sizes come from chunks of 2 MiB, without headers of their own: a call lies beside the one submitted
/// before it. Chunks without used blocks are returned to the system after some seconds, except for one chunk of each
/// size, which a busy runtime needs again. Outlives its runtime as long as blocks are in use. [any-thread]
class CallMemory final : public SharedObject {
 public:
  static constexpr std::size_t kUnitBytes = 16;  ///< Alignment of blocks.
  static constexpr std::size_t kMaxBlockBytes = 256;

  /// `retired` wakes the reactor when there are chunks to trim.
  explicit CallMemory(std::shared_ptr<Retired> retired) noexcept;

  /// `size_bytes` is from 1 to kMaxBlockBytes. Throws std::bad_alloc.
  [[nodiscard]] void* allocate(std::size_t size_bytes);
  /// Returns a block to the memory that it came from.
  static void free(void* block) noexcept;

  /// Gives some of the chunks that have not been needed lately back to the system. Returns the time of the next call.
  [[nodiscard]] MonotonicNs trim(MonotonicNs now_ns) noexcept;
  /// Ends trimming: from now on, chunks are returned with their last block.
  void close() noexcept;
  /// Number of chunks.
  [[nodiscard]] std::size_t chunk_count();

 private:
  struct Chunk;
  struct FreeBlock {
    FreeBlock* next = nullptr;
  };
  struct SizeClass {
    Chunk* open = nullptr;   // Chunks in use with room; the one that got a block back last is first.
    Chunk* spare = nullptr;  // Chunks without blocks in use; linked by `next`.
    std::size_t chunks = 0;
    std::size_t spares = 0;
    std::size_t least_spares = 0;  // Minimum number of spares since the last trim: this many were not needed.
  };
  struct State {
    std::array<SizeClass, kMaxBlockBytes / kUnitBytes> classes;
    MonotonicNs next_trim_ns = kNever;  // kNever: the reactor does not know of any spares.
    bool closed = false;
  };

  ~CallMemory() override;
  static void link(SizeClass& size_class, Chunk& chunk) noexcept;
  static void unlink(SizeClass& size_class, Chunk& chunk) noexcept;
  [[nodiscard]] static Chunk* take_spare(SizeClass& size_class) noexcept;

  const std::shared_ptr<Retired> retired_;
  // Has its own lock, because calls are created before the scheduler's lock is taken and freed after it is released.
  Guarded<State, HostMutex<HostLock::kMemory>> state_;
};

}  // namespace tenon::internal
