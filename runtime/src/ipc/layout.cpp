#include "ipc/layout.hpp"

#include "ipc/message_ring.hpp"

namespace tenon::internal {

namespace {

constexpr std::uint64_t align_up(std::uint64_t value, std::uint64_t alignment) noexcept {
  return (value + alignment - 1) / alignment * alignment;
}

}  // namespace

LayoutSizes layout_sizes(std::uint32_t slot_count, std::uint32_t release_count) noexcept {
  LayoutSizes sizes;
  sizes.revoked_offset_bytes = sizeof(SubmissionHeader);
  sizes.release_offset_bytes =
      align_up(sizes.revoked_offset_bytes + slot_count * sizeof(std::atomic<std::uint64_t>), kLineBytes);
  sizes.slots_offset_bytes =
      align_up(sizes.release_offset_bytes + std::uint64_t{release_count} * sizeof(ReleaseEntry), kSlotBytes);
  sizes.submission_bytes = sizes.slots_offset_bytes + std::uint64_t{slot_count} * sizeof(SubmissionSlot);
  sizes.completion_slots_offset_bytes = align_up(sizeof(CompletionHeader), kSlotBytes);
  sizes.messages_offset_bytes =
      sizes.completion_slots_offset_bytes + std::uint64_t{slot_count} * sizeof(CompletionSlot);
  sizes.completion_bytes = sizes.messages_offset_bytes + kMessageRingBytes;
  return sizes;
}

}  // namespace tenon::internal
