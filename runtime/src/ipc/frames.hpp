/// A frame sequence: several blobs in one block, for the arguments of a reduce's step and the
/// results of a source's.
///
/// WIRE: u32 count, u32 zero, u64 zero; then for each frame u64 size, u64 zero, the bytes, and
/// zeros up to a multiple of 16.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <tenon/bytes.hpp>
#include <tenon/error.hpp>

namespace tenon::internal {

/// Maximum number of frames in a sequence.
inline constexpr std::uint32_t kMaxFrames = 1u << 20;
/// Bytes before the first frame, and before each frame's content.
inline constexpr std::uint64_t kFrameHeaderBytes = 16;

/// Bytes taken by a sequence of these frames. Errors: kTooLarge.
[[nodiscard]] Result<std::uint64_t> frames_size_bytes(std::span<const BytesView> frames);
/// Writes the sequence to `target`, which has frames_size_bytes bytes and is aligned to 16. Errors:
/// kInvalidArgument: target too small.
[[nodiscard]] Result<void> write_frames(std::span<const BytesView> frames, MutableBytesView target);
/// Reads a sequence from an untrusted source: the frames are views into `sequence`, each aligned to
/// 16 if the sequence is. Even if the memory changes meanwhile, the views stay inside `sequence`.
/// Errors: kCorrupt, with the frame's number.
[[nodiscard]] Result<std::vector<BytesView>> read_frames(BytesView sequence);

}  // namespace tenon::internal
