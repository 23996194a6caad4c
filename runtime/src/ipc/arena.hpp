/// Shared memory that one side writes and others read, in blocks.
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

/// From this size on a block is a segment of its own, given back to the system as a whole.
inline constexpr std::uint64_t kLargeBlockBytes = std::uint64_t{1} << 20;

/// A block in use: writable by the arena's owner.
struct ArenaBlock {
  BlockRef ref;            ///< `size_bytes` as asked for.
  MutableBytesView bytes;  ///< All of the block, perhaps longer than asked for. Aligned to 64.
};

/// An arena, on its owner's side: the runtime's arguments, or the results of one worker. One thread at a time.
class Arena {
 public:
  /// Makes the memory and maps it. `seal_writes`: from then on only this mapping can write, whoever gets the
  /// descriptor. `segment` is its number. Errors: those of SharedMemory.
  [[nodiscard]] static Result<Arena> create(std::string_view name, std::uint32_t segment, std::uint64_t size_bytes,
                                            bool seal_writes);
  /// The same over memory made by the other side, as a worker does with the result arena it was given: maps it for
  /// writing, then seals it against all further writers. Errors: those of SharedMemory.
  [[nodiscard]] static Result<Arena> over(const SharedMemory& memory, std::uint32_t segment);

  /// The same over a writable mapping, for a worker on a thread of the host's process.
  [[nodiscard]] static Arena over_mapping(std::shared_ptr<Mapping> mapping, std::uint32_t segment);

  [[nodiscard]] std::uint32_t segment() const noexcept { return segment_; }
  /// For handing to others. Invalid after `over`.
  [[nodiscard]] const FileDescriptor& descriptor() const noexcept { return descriptor_; }
  [[nodiscard]] std::uint64_t size_bytes() const noexcept { return mapping_->size_bytes(); }
  /// Stays mapped as long as someone holds it.
  [[nodiscard]] const std::shared_ptr<const Mapping>& mapping() const noexcept { return mapping_; }

  /// A block of at least `size_bytes`. Errors: kOutOfMemory full, kTooLarge larger than the arena.
  [[nodiscard]] Result<ArenaBlock> allocate(std::uint64_t size_bytes);
  /// Makes a block longer at its front, to at least `size_bytes`, without moving a byte of it; false when there is no
  /// room there.
  [[nodiscard]] bool extend(ArenaBlock& block, std::uint64_t size_bytes);
  /// Keeps `size_bytes` from `data` on (inside the block, aligned to 16) and gives the rest back. Returns the place to
  /// put into a descriptor. Errors: kInvalidArgument outside the block or not aligned.
  [[nodiscard]] Result<BlockRef> keep(const ArenaBlock& block, const std::uint8_t* data, std::uint64_t size_bytes);
  /// Gives a block back; also one that was named by the other side. Errors: kCorrupt another segment, freed twice,
  /// never given out.
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

/// A large block: memory of its own, written by its maker alone. Move-only.
struct LargeBlock {
  std::shared_ptr<Mapping> mapping;  ///< Writable for its maker.
  FileDescriptor descriptor;         ///< Sealed against shrinking, growing and all other writers.
  BlockRef ref;
};
/// Makes one of `size_bytes`, with `content` at its end, begun at a multiple of 16: cheaper than writing it into fresh
/// pages. Errors: those of SharedMemory.
[[nodiscard]] Result<LargeBlock> create_large_block(std::string_view name, std::uint32_t segment,
                                                    std::uint64_t size_bytes, BytesView content = {});
/// Maps a segment that came from the other side, read-only, after checking that it can neither shrink nor be written
/// but by its maker. Errors: kCorrupt; those of SharedMemory.
[[nodiscard]] Result<std::shared_ptr<const Mapping>> map_foreign_segment(FileDescriptor descriptor);

}  // namespace tenon::internal
