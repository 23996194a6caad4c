/// host/storage.hpp: the storage of arguments and results, and the ownership of its memory.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include <tenon/bytes.hpp>
#include <tenon/error.hpp>
#include <tenon/internal/shared_object.hpp>
#include <tenon/reply.hpp>

#include "base/clock.hpp"
#include "base/guarded.hpp"
#include "base/unique_id.hpp"
#include "host/segment.hpp"
#include "ipc/arena.hpp"
#include "ipc/host_end.hpp"
#include "ipc/layout.hpp"
#include "platform/shared_memory.hpp"
#include "swap/generation.hpp"

namespace tenon::internal {

/// Results up to this size are copied, so that small results do not occupy a worker's memory.
inline constexpr std::uint64_t kCopiedResultBytes = 64 * 1024;

/// Bytes and the object that keeps them alive.
struct StoredBytes {
  Shared<const ReplyStorage> storage;
  BytesView bytes;
  /// Their location for a worker; nullopt if the bytes are private or not aligned as a worker
  /// needs.
  [[nodiscard]] std::optional<BlockRef> place() const noexcept;
};

/// Whether a storage error means that the system is temporarily short of descriptors or memory.
[[nodiscard]] bool is_shortage(const Error& error) noexcept;

/// Makes a private copy. `made_by` is its origin; null for the host. Throws std::bad_alloc.
[[nodiscard]] StoredBytes copy_to_host(BytesView bytes, GenerationRef made_by = nullptr);
/// The same bytes with another origin: a task that returned its argument. Throws std::bad_alloc.
[[nodiscard]] StoredBytes with_origin(StoredBytes stored, GenerationRef made_by);

struct ArgumentMemoryOptions {
  std::uint64_t arena_bytes = 0;
  /// Limit of cached idle large segments, in bytes; less if the machine has little memory. 0: no
  /// cache.
  std::uint64_t cache_bytes = 0;
  std::uint32_t first_segment = kFirstSegment;  ///< Number of the arena; a higher one for tests.
};

/// The argument memory of one runtime. [any-thread]
class ArgumentMemory : public std::enable_shared_from_this<ArgumentMemory> {
 public:
  class ArenaBytes;
  /// Memory for an argument under construction: in the arena or in a separate segment. Not visible
  /// to others before `commit`.
  struct Block {
    Shared<const ReplyStorage> storage;
    MutableBytesView bytes;            ///< Both ends aligned to 16.
    ArenaBytes* arena = nullptr;       ///< Storage in the arena.
    SharedSegment* segment = nullptr;  ///< A separate segment.
  };

  /// Errors: those of SharedMemory.
  [[nodiscard]] static Result<std::shared_ptr<ArgumentMemory>> create(const ArgumentMemoryOptions& options,
                                                                      std::shared_ptr<Retired> retired);
  /// Used by create().
  ArgumentMemory(const ArgumentMemoryOptions& options, Arena arena, Shared<const SharedSegment> segment,
                 std::shared_ptr<Retired> retired);
  ArgumentMemory(const ArgumentMemory&) = delete;
  ArgumentMemory& operator=(const ArgumentMemory&) = delete;
  ~ArgumentMemory();

  /// Copies `bytes` to memory that every worker can read: the arena, or a separate segment if it is
  /// large. Errors: kOutOfMemory if the arena is full; those of SharedMemory.
  [[nodiscard]] Result<StoredBytes> store(BytesView bytes);
  /// Like store, in a separate segment whatever the size.
  [[nodiscard]] Result<StoredBytes> store_apart(BytesView bytes);
  /// Allocates memory to build an argument of about `size_bytes`; in a separate segment if the
  /// arena has no room. Errors: those of SharedMemory.
  [[nodiscard]] Result<Block> reserve(std::uint64_t size_bytes);
  /// Extends a block at its start, to `size_bytes`, if that is possible without a copy.
  [[nodiscard]] bool extend(Block& block, std::uint64_t size_bytes);
  /// Stores the content built in a block: `bytes` inside it, starting at a multiple of 16. Frees
  /// the rest.
  [[nodiscard]] StoredBytes commit(Block block, BytesView bytes);
  /// Number of separate segments in use; each is a descriptor of this process.
  [[nodiscard]] std::uint64_t held_apart() const noexcept { return held_apart_->load(std::memory_order_relaxed); }
  /// Whether workers of this runtime know the location by its number.
  [[nodiscard]] bool owns(const StoredBytes& bytes) const noexcept;

  /// Releases large segments that have been idle for a few seconds. Returns when to call again.
  [[nodiscard]] MonotonicNs trim(MonotonicNs now_ns) { return cache_->trim(now_ns); }
  /// Releases all idle segments and keeps none from now on.
  void close() { cache_->close(); }
  [[nodiscard]] SegmentCache& cache() noexcept { return *cache_; }

  [[nodiscard]] const Shared<const SharedSegment>& segment() const noexcept { return segment_; }
  [[nodiscard]] const std::shared_ptr<Retired>& retired() const noexcept { return retired_; }
  /// Reserves a number for another segment of this runtime. Errors: kUnavailable: they are used up.
  [[nodiscard]] Result<std::uint32_t> next_segment_number();

 private:
  class SegmentBytes;
  /// A segment with room for `size_bytes`; its content is undefined except for `content`, which is
  /// at its end.
  [[nodiscard]] Result<Shared<SharedSegment>> large_segment(std::uint64_t size_bytes, BytesView content);
  [[nodiscard]] Result<Shared<SharedSegment>> new_segment(std::uint64_t capacity_bytes, BytesView content);
  [[nodiscard]] Shared<const ReplyStorage> hold(Shared<const SharedSegment> segment);

  Guarded<Arena, HostMutex<HostLock::kMemory>> arena_;
  Shared<const SharedSegment> segment_;
  std::shared_ptr<Retired> retired_;
  std::shared_ptr<SegmentCache> cache_;
  std::uint64_t first_segment_;
  IdSequence numbers_;
  // Outlives the memory as long as a reply holds a segment. Relaxed: an approximate count; nothing
  // else is published with it.
  std::shared_ptr<std::atomic<std::uint64_t>> held_apart_ = std::make_shared<std::atomic<std::uint64_t>>(0);
};

/// The memory shared with one worker; outlives it as long as replies refer to it.
class Transport : public std::enable_shared_from_this<Transport> {
 public:
  Transport(HostEnd end, Shared<const SharedSegment> results) : end_(std::move(end)), results_(std::move(results)) {}

  [[nodiscard]] HostEnd& end() noexcept { return end_; }
  [[nodiscard]] const Shared<const SharedSegment>& results() const noexcept { return results_; }
  /// A result in place, which the worker can still write; the block returns to the worker with the
  /// last copy.
  [[nodiscard]] StoredBytes lease(const BlockRef& block, BytesView bytes, GenerationRef made_by);
  /// Converts a leased result to a private copy; returns anything else unchanged. Throws
  /// std::bad_alloc. [any-thread]
  [[nodiscard]] static StoredBytes without_lease(StoredBytes result);
  /// Returns a block of the result arena to the worker. [any-thread]
  void release(const BlockRef& block);
  void flush_releases();

 private:
  class Lease;
  HostEnd end_;
  Shared<const SharedSegment> results_;
  HostMutex<HostLock::kMemory> release_mutex_;  // Guards the releaser's role of end_.
};

}  // namespace tenon::internal
