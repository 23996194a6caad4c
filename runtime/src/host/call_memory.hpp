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

/// Blocks of a few sizes from chunks of 2 MiB, without a header of their own: a call lies beside the one submitted
/// before it. What has had no block in use for some seconds goes back to the system, all but one chunk for each size,
/// which is what a runtime at work lives on. Outlives its runtime as long as blocks are in use. [any-thread]
class CallMemory final : public SharedObject {
 public:
  static constexpr std::size_t kUnitBytes = 16;  ///< Blocks are aligned to it.
  static constexpr std::size_t kMaxBlockBytes = 256;

  /// `retired` wakes the reactor when there is something to trim.
  explicit CallMemory(std::shared_ptr<Retired> retired) noexcept;

  /// `size_bytes` is from 1 to kMaxBlockBytes. Throws std::bad_alloc.
  [[nodiscard]] void* allocate(std::size_t size_bytes);
  /// Gives a block back to the memory that it came from.
  static void free(void* block) noexcept;

  /// Gives back some of the chunks that have not been needed lately. Returns when to call again.
  [[nodiscard]] MonotonicNs trim(MonotonicNs now_ns) noexcept;
  /// No more trimming: chunks go back with their last block.
  void close() noexcept;
  /// Chunks held now.
  [[nodiscard]] std::size_t chunk_count();

 private:
  struct Chunk;
  struct FreeBlock {
    FreeBlock* next = nullptr;
  };
  struct SizeClass {
    Chunk* open = nullptr;   // Have blocks in use and room. The one that got a block back last comes first.
    Chunk* spare = nullptr;  // Have no block in use; linked by `next`.
    std::size_t chunks = 0;
    std::size_t spares = 0;
    std::size_t least_spares = 0;  // Since the last trim: so many have not been needed.
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
  // A lock of its own: calls are made before the scheduler's is taken, and end after it.
  Guarded<State, HostMutex<HostLock::kMemory>> state_;
};

}  // namespace tenon::internal
