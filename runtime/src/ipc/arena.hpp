/// Shared memory, divided into blocks, that one side writes and others read.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include <tenon/bytes.hpp>
#include <tenon/error.hpp>

#include "ipc/arena_allocator.hpp"
#include "ipc/layout.hpp"
#include "platform/shared_memory.hpp"

namespace tenon::internal {

/// Blocks of at least this size are separate segments, which are returned to the system as a whole.
inline constexpr std::uint64_t kLargeBlockBytes = std::uint64_t{1} << 20;

/// A block in use, writable by the arena's owner.
struct ArenaBlock {
  BlockRef ref;            ///< `size_bytes` is the requested size.
  MutableBytesView bytes;  ///< The whole block, possibly larger than requested. Aligned to 64.
};

/// An arena on its owner's side: the runtime's arguments, or the results of one worker. One thread
/// at a time.
class Arena {
 public:
  /// Creates and maps the memory. With `seal_writes`, only this mapping can write afterwards,
  /// the process that receives the descriptor. `segment` is its number. Errors: those of SharedMemory.
  [[nodiscard]] static Result<Arena> create(std::string_view name, std::uint32_t segment, std::uint64_t size_bytes,
                                            bool seal_writes);
  /// Creates an arena over memory from the other side, as a worker does with its result arena: maps
  /// it for writing, then seals it against all further writers. Errors: those of SharedMemory.
  [[nodiscard]] static Result<Arena> over(const SharedMemory& memory, std::uint32_t segment);

  /// Creates an arena over a writable mapping, for a worker on a thread of the host's process.
  [[nodiscard]] static Arena over_mapping(std::shared_ptr<Mapping> mapping, std::uint32_t segment);

  [[nodiscard]] std::uint32_t segment() const noexcept { return segment_; }
  /// The descriptor to send to other processes. Invalid after `over`.
  [[nodiscard]] const FileDescriptor& descriptor() const noexcept { return descriptor_; }
  [[nodiscard]] std::uint64_t size_bytes() const noexcept { return mapping_->size_bytes(); }
  /// The memory stays mapped as long as a copy of the pointer exists.
  [[nodiscard]] const std::shared_ptr<const Mapping>& mapping() const noexcept { return mapping_; }

  /// Allocates a block of at least `size_bytes`. Errors: kOutOfMemory: the arena is full;
  /// kTooLarge: larger than the arena.
  [[nodiscard]] Result<ArenaBlock> allocate(std::uint64_t size_bytes);
  /// Extends a block at its front, to at least `size_bytes`, without moving any byte; false if
  /// there is no room.
  [[nodiscard]] bool extend(ArenaBlock& block, std::uint64_t size_bytes);
  /// Keeps the `size_bytes` at `data` (inside the block, aligned to 16) and frees the rest. Returns
  /// the location for a descriptor. Errors: kInvalidArgument: outside the block or not aligned.
  [[nodiscard]] Result<BlockRef> keep(const ArenaBlock& block, const std::uint8_t* data, std::uint64_t size_bytes);
  /// Frees a block, also one named by the other side. Errors: kCorrupt: another segment, freed
  /// twice, or never allocated.
  [[nodiscard]] Result<void> free(const BlockRef& block);

  [[nodiscard]] const ArenaAllocator& allocator() const noexcept { return allocator_; }

 private:
  Arena(std::uint32_t segment, FileDescriptor descriptor, std::shared_ptr<Mapping> mapping);
  std::uint32_t segment_;
  FileDescriptor descriptor_;
  std::shared_ptr<const Mapping> mapping_;
  std::uint8_t* data_;
  ArenaAllocator allocator_;
};

/// A large block: a separate segment, writable only by its creator. Move-only.
struct LargeBlock {
  std::shared_ptr<Mapping> mapping;  ///< Writable for its creator.
  FileDescriptor descriptor;         ///< Sealed against shrinking, growing and other writers.
  BlockRef ref;
};
/// Creates a large block of `size_bytes`, with `content` at its end, starting at a multiple of 16:
/// this is cheaper than writing it into fresh pages. Errors: those of SharedMemory.
[[nodiscard]] Result<LargeBlock> create_large_block(std::string_view name, std::uint32_t segment,
                                                    std::uint64_t size_bytes, BytesView content = {});
/// Maps a segment from the other side, read-only, after checking that it cannot shrink and that
/// only its creator can write it. Errors: kCorrupt; those of SharedMemory.
[[nodiscard]] Result<std::shared_ptr<const Mapping>> map_foreign_segment(FileDescriptor descriptor);

}  // namespace tenon::internal
