#include "ipc/frames.hpp"

#include <cstring>
#include <string>

#include "base/checked.hpp"
#include "base/try.hpp"

namespace tenon::internal {

namespace {

constexpr std::uint64_t padded(std::uint64_t size_bytes) noexcept {
  return (size_bytes + 15) & ~std::uint64_t{15};
}

/// WIRE: both headers are 16 bytes, so that the content keeps the sequence's alignment.
struct SequenceHead {
  std::uint32_t count = 0;
  std::uint32_t zero32 = 0;
  std::uint64_t zero64 = 0;
};
struct FrameHead {
  std::uint64_t size_bytes = 0;
  std::uint64_t zero = 0;
};
static_assert(sizeof(SequenceHead) == kFrameHeaderBytes && sizeof(FrameHead) == kFrameHeaderBytes);

}  // namespace

Result<std::uint64_t> frames_size_bytes(std::span<const BytesView> frames) {
  if (frames.size() > kMaxFrames) {
    return fail(ErrorCode::kTooLarge, "a sequence of " + std::to_string(frames.size()) +
                                          " frames is over the limit of " + std::to_string(kMaxFrames) +
                                          "; send them in several steps");
  }
  std::uint64_t total = kFrameHeaderBytes;
  for (const BytesView frame : frames) {
    // Frames lie in memory, so the sum of their sizes fits into an address unless the same bytes
    // are passed many times.
    const auto sum = checked_add<std::uint64_t>(total, kFrameHeaderBytes + padded(frame.size()));
    if (!sum) {
      return fail(ErrorCode::kTooLarge, "a frame sequence is larger than the address space");
    }
    total = *sum;
  }
  return total;
}

Result<void> write_frames(std::span<const BytesView> frames, MutableBytesView target) {
  TENON_ASSIGN(const auto total, frames_size_bytes(frames));
  if (total > target.size()) {
    return fail(ErrorCode::kInvalidArgument, "a frame sequence of " + std::to_string(total) +
                                                 " bytes does not fit into " + std::to_string(target.size()));
  }
  std::uint8_t* at = target.data();
  const SequenceHead head{.count = static_cast<std::uint32_t>(frames.size())};
  std::memcpy(at, &head, sizeof head);
  at += sizeof head;
  for (const BytesView frame : frames) {
    const FrameHead frame_head{.size_bytes = frame.size()};
    std::memcpy(at, &frame_head, sizeof frame_head);
    at += sizeof frame_head;
    if (!frame.empty()) {
      std::memcpy(at, frame.data(), frame.size());
    }
    std::memset(at + frame.size(), 0, padded(frame.size()) - frame.size());
    at += padded(frame.size());
  }
  return {};
}

Result<std::vector<BytesView>> read_frames(BytesView sequence) {
  if (sequence.size() < kFrameHeaderBytes) {
    return fail(ErrorCode::kCorrupt, "a frame sequence of " + std::to_string(sequence.size()) + " bytes has no header");
  }
  // Each header is copied before it is checked: the other side may still write.
  SequenceHead head;
  std::memcpy(&head, sequence.data(), sizeof head);
  const std::uint64_t most = (sequence.size() - kFrameHeaderBytes) / kFrameHeaderBytes;
  if (head.count > kMaxFrames || head.count > most || head.zero32 != 0 || head.zero64 != 0) {
    return fail(ErrorCode::kCorrupt, "the header of a frame sequence of " + std::to_string(sequence.size()) +
                                         " bytes is not valid (count " + std::to_string(head.count) + ")");
  }
  std::vector<BytesView> frames;
  frames.reserve(head.count);
  std::uint64_t at = kFrameHeaderBytes;
  for (std::uint32_t i = 0; i < head.count; ++i) {
    const auto broken = [&](const char* why) {
      return fail(ErrorCode::kCorrupt, "frame " + std::to_string(i) + " of " + std::to_string(head.count) + " " + why);
    };
    if (!range_fits(at, kFrameHeaderBytes, sequence.size())) {
      return broken("starts outside its sequence");
    }
    FrameHead frame_head;
    std::memcpy(&frame_head, sequence.data() + at, sizeof frame_head);
    at += kFrameHeaderBytes;
    if (frame_head.zero != 0) {
      return broken("has an invalid header");
    }
    if (!range_fits(at, frame_head.size_bytes, sequence.size())) {
      return broken("extends beyond its sequence");
    }
    frames.push_back(sequence.subspan(at, frame_head.size_bytes));
    // This cannot overflow: the size fits into the sequence. The padding of the last frame may be
    // missing.
    at += padded(frame_head.size_bytes);
  }
  return frames;
}

}  // namespace tenon::internal
