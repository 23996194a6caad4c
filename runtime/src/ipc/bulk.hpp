/// ipc/bulk.hpp: many small calls of one task in one submission.
///
/// The argument block starts with one BulkArgument per item; the result block, which the worker
/// allocates, starts with one BulkAnswer per item of the submission. A worker may stop before the
/// last item; the host then submits the rest again.
#pragma once

#include <cstdint>
#include <type_traits>

#include <tenon/plugin.h>

namespace tenon::internal {

inline constexpr std::uint32_t kBulkAlignment = 16;
/// BulkArgument::offset_bytes of an absent argument.
inline constexpr std::uint32_t kAbsentItem = 0xffffffff;

/// WIRE.
struct BulkArgument {
  std::uint32_t offset_bytes = kAbsentItem;  ///< From the start of the block; a multiple of 16.
  std::uint32_t size_bytes = 0;
};
static_assert(sizeof(BulkArgument) == 8 && std::is_trivially_copyable_v<BulkArgument>);

/// Maximum room for the results after their table. A result that does not fit is stored elsewhere.
inline constexpr std::uint64_t kLargestBulkRoomBytes = std::uint64_t{512} << 10;

/// BulkAnswer::flags. WIRE.
enum BulkAnswerFlags : std::uint32_t {
  kBulkAnswerArgument = 1,   ///< The result is the item's own argument.
  kBulkAnswerReference = 2,  ///< A BlockRef at the offset locates the result or message.
};

/// WIRE.
struct BulkAnswer {
  std::uint32_t offset_bytes = 0;    ///< From the start of the block; a multiple of 16.
  std::uint32_t size_bytes = 0;      ///< Size of the result, or of the error's message.
  tenon_status_t status = TENON_OK;  ///< Like CompletionDescriptor::status.
  std::uint32_t flags = 0;
};
static_assert(sizeof(BulkAnswer) == 16 && std::is_trivially_copyable_v<BulkAnswer>);

[[nodiscard]] constexpr std::uint64_t bulk_aligned(std::uint64_t size_bytes) noexcept {
  return (size_bytes + kBulkAlignment - 1) / kBulkAlignment * kBulkAlignment;
}

}  // namespace tenon::internal
