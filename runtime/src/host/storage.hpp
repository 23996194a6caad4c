/// host/storage.hpp: where arguments and results lie, and who gives the memory back.
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

/// Bytes with what keeps them.
struct StoredBytes {
  Shared<const ReplyStorage> storage;
  BytesView bytes;
  /// The place for a worker; nullopt when the bytes are private or not aligned as a worker needs them.
  [[nodiscard]] std::optional<BlockRef> place() const noexcept;
};

/// Whether an error of storing means that the system is short of descriptors or memory just now.
[[nodiscard]] bool is_shortage(const Error& error) noexcept;

/// A private copy. `made_by` is what its origin is; null for the host. Throws std::bad_alloc.
[[nodiscard]] StoredBytes copy_to_host(BytesView bytes, GenerationRef made_by = nullptr);
/// The same bytes as a result of another origin: a task that gave its argument on. Throws std::bad_alloc.
[[nodiscard]] StoredBytes with_origin(StoredBytes stored, GenerationRef made_by);

struct ArgumentMemoryOptions {
  std::uint64_t arena_bytes = 0;
  /// Idle large segments kept, in bytes; less where the machine has little memory. 0: none.
  std::uint64_t cache_bytes = 0;
  std::uint32_t first_segment = kFirstSegment;  ///< Number of the arena; later for tests.
};

/// The argument memory of one runtime. [any-thread]
class ArgumentMemory : public std::enable_shared_from_this<ArgumentMemory> {
 public:
  class ArenaBytes;
  /// Memory for an argument that is being built: in the arena or in a segment of its own. Nobody else sees it before
  /// `commit`.
  struct Block {
    Shared<const ReplyStorage> storage;
    MutableBytesView bytes;            ///< Both ends aligned to 16.
    ArenaBytes* arena = nullptr;       ///< Storage in the arena.
    SharedSegment* segment = nullptr;  ///< A segment of its own.
  };

  /// Errors: those of SharedMemory.
  [[nodiscard]] static Result<std::shared_ptr<ArgumentMemory>> create(const ArgumentMemoryOptions& options,
                                                                      std::shared_ptr<Retired> retired);
  /// For create().
  ArgumentMemory(const ArgumentMemoryOptions& options, Arena arena, Shared<const SharedSegment> segment,
                 std::shared_ptr<Retired> retired);
  ArgumentMemory(const ArgumentMemory&) = delete;
  ArgumentMemory& operator=(const ArgumentMemory&) = delete;
  ~ArgumentMemory();

  /// A copy of `bytes` where every worker can read it: in the arena, or in a segment of its own when it is large.
  /// Errors: kOutOfMemory when the arena is full; those of SharedMemory.
  [[nodiscard]] Result<StoredBytes> store(BytesView bytes);
  /// The same in a segment of its own, whatever the size.
  [[nodiscard]] Result<StoredBytes> store_apart(BytesView bytes);
  /// Memory to build an argument of about `size_bytes` in; beyond the arena's room in a segment of its own. Errors:
  /// those of SharedMemory.
  [[nodiscard]] Result<Block> reserve(std::uint64_t size_bytes);
  /// Makes a block longer at its start, to `size_bytes`, where there is room for it without a copy.
  [[nodiscard]] bool extend(Block& block, std::uint64_t size_bytes);
  /// What has been built in a block: `bytes` inside it, from a multiple of 16 on. The rest goes back.
  [[nodiscard]] StoredBytes commit(Block block, BytesView bytes);
  /// Segments of their own that are held now; each is a descriptor of this process.
  [[nodiscard]] std::uint64_t held_apart() const noexcept { return held_apart_->load(std::memory_order_relaxed); }
  /// Whether workers of this runtime know the place by its number.
  [[nodiscard]] bool owns(const StoredBytes& bytes) const noexcept;

  /// Gives back large segments that have lain idle for some seconds. Returns when to call again.
  [[nodiscard]] MonotonicNs trim(MonotonicNs now_ns) { return cache_->trim(now_ns); }
  /// Gives all idle ones back and keeps none from now on.
  void close() { cache_->close(); }
  [[nodiscard]] SegmentCache& cache() noexcept { return *cache_; }

  [[nodiscard]] const Shared<const SharedSegment>& segment() const noexcept { return segment_; }
  [[nodiscard]] const std::shared_ptr<Retired>& retired() const noexcept { return retired_; }
  /// A number for a further segment of this runtime. Errors: kUnavailable they are used up.
  [[nodiscard]] Result<std::uint32_t> next_segment_number();

 private:
  class SegmentBytes;
  /// A segment with room for `size_bytes`, its content undefined but for `content`, which lies at its end.
  [[nodiscard]] Result<Shared<SharedSegment>> large_segment(std::uint64_t size_bytes, BytesView content);
  [[nodiscard]] Result<Shared<SharedSegment>> new_segment(std::uint64_t capacity_bytes, BytesView content);
  [[nodiscard]] Shared<const ReplyStorage> hold(Shared<const SharedSegment> segment);

  Guarded<Arena> arena_;
  Shared<const SharedSegment> segment_;
  std::shared_ptr<Retired> retired_;
  std::shared_ptr<SegmentCache> cache_;
  std::uint64_t first_segment_;
  IdSequence numbers_;
  // Outlives the memory as long as a reply holds a segment. Relaxed: a count to steer by, nothing else goes with it.
  std::shared_ptr<std::atomic<std::uint64_t>> held_apart_ = std::make_shared<std::atomic<std::uint64_t>>(0);
};

/// The memory shared with one worker; outlives it as long as replies lie in it.
class Transport : public std::enable_shared_from_this<Transport> {
 public:
  Transport(HostEnd end, Shared<const SharedSegment> results) : end_(std::move(end)), results_(std::move(results)) {}

  [[nodiscard]] HostEnd& end() noexcept { return end_; }
  [[nodiscard]] const Shared<const SharedSegment>& results() const noexcept { return results_; }
  /// A result in place, which the worker can still write; the block goes back to the worker with the last copy.
  [[nodiscard]] StoredBytes lease(const BlockRef& block, BytesView bytes, GenerationRef made_by);
  /// A result that is leased, as a private copy; anything else as it is. Throws std::bad_alloc. [any-thread]
  [[nodiscard]] static StoredBytes without_lease(StoredBytes result);
  /// Gives a block of the result arena back to the worker. [any-thread]
  void release(const BlockRef& block);
  void flush_releases();

 private:
  class Lease;
  HostEnd end_;
  Shared<const SharedSegment> results_;
  std::mutex release_mutex_;  // Guards the releaser's role of end_.
};

}  // namespace tenon::internal
