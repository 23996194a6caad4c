#include "worker/result_builder.hpp"

#include <cstring>
#include <new>
#include <utility>

#include "base/checked.hpp"
#include "base/hot.hpp"
#include "base/text.hpp"

namespace tenon::internal {

namespace {

constexpr std::uint64_t kAlignment = 16;

}  // namespace

TENON_HOT ResultBuilder::~ResultBuilder() {
  close();
  for (ResultBlob& blob : results_) {
    give_back(blob);
  }
}

void ResultBuilder::give_back(ResultBlob& blob) noexcept {
  if (blob.block) {
    static_cast<void>(options_.arena->free(blob.block->ref));
    blob.block.reset();
  }
}

void ResultBuilder::close() noexcept {
  if (open_) {
    give_back(open_->blob);
    open_.reset();
  }
}

Result<ResultBuilder::Open> ResultBuilder::allocate(std::uint64_t size_bytes) {
  // Rounded to a multiple of the alignment, so that both ends of the block are aligned: FlatBuffers
  // are built from the end.
  const auto rounded = checked_align_up<std::uint64_t>(size_bytes, kAlignment);
  if (!rounded || size_bytes > options_.limit_bytes) {
    return fail(ErrorCode::kTooLarge, "a result of " + format_size(size_bytes) + " is larger than the limit of " +
                                          format_size(options_.limit_bytes) +
                                          "; raise RuntimeOptions::result_arena_bytes or return less at once");
  }
  Open open;
  open.size_bytes = size_bytes;
  // Never zero: the pointer must belong to the block.
  open.capacity_bytes = *rounded == 0 ? kAlignment : *rounded;
  const bool scratch_taken = scratch_committed_ || (open_ && open_->scratch);
  if (options_.scratch != nullptr && open.capacity_bytes <= kScratchBytes && !scratch_taken) {
    open.scratch = true;
    open.data = options_.scratch->data();
    return open;
  }
  if (options_.arena != nullptr) {
    auto block = options_.arena->allocate(open.capacity_bytes);
    if (!block) {
      block.error().message += " (RuntimeOptions::result_arena_bytes), or release earlier results";
      return fail(std::move(block.error()));
    }
    open.data = block->bytes.data();
    open.blob.block = *block;
    return open;
  }
  open.blob.heap.reset(new (std::nothrow) std::uint8_t[open.capacity_bytes]);
  if (open.blob.heap == nullptr) {
    return fail(ErrorCode::kOutOfMemory, "no memory for a result of " + format_size(size_bytes));
  }
  open.data = open.blob.heap.get();
  return open;
}

Result<std::uint8_t*> ResultBuilder::reserve(std::uint64_t size_bytes) {
  close();
  auto open = allocate(size_bytes);
  if (!open) {
    return fail(std::move(open.error()));
  }
  open_ = std::move(*open);
  return open_->data;
}

bool ResultBuilder::extend(std::uint64_t size_bytes) {
  Open& open = *open_;
  std::uint8_t* end = open.data + open.size_bytes;
  // Bytes that the plugin counts from the end stay in place, so the new start must be aligned.
  if (!open.blob.block || size_bytes > options_.limit_bytes ||
      !is_aligned(reinterpret_cast<std::uintptr_t>(end) - size_bytes, kAlignment)) {
    return false;
  }
  ArenaBlock& block = *open.blob.block;
  const auto behind = static_cast<std::uint64_t>(block.bytes.data() + block.bytes.size() - end);
  const auto needed = checked_add(size_bytes, behind);
  if (!needed || !options_.arena->extend(block, *needed)) {
    return false;
  }
  open.data = end - size_bytes;
  open.size_bytes = size_bytes;
  open.capacity_bytes = *needed;
  return true;
}

Result<std::uint8_t*> ResultBuilder::grow_down(std::uint64_t size_bytes, std::uint64_t used_back_bytes,
                                               std::uint64_t used_front_bytes) {
  if (!open_) {
    return fail(ErrorCode::kInvalidArgument, "grow_down without an open block; call reserve first");
  }
  const auto used = checked_add(used_back_bytes, used_front_bytes);
  if (!used || *used > open_->size_bytes || *used > size_bytes) {
    return fail(ErrorCode::kInvalidArgument, "grow_down of a block of " + std::to_string(open_->size_bytes) +
                                                 " bytes to " + std::to_string(size_bytes) + " cannot keep " +
                                                 std::to_string(used_back_bytes) + " bytes at its end and " +
                                                 std::to_string(used_front_bytes) + " at its start");
  }
  if (const std::uint8_t* old_front = open_->data; extend(size_bytes)) {
    std::memmove(open_->data, old_front, used_front_bytes);
    return open_->data;
  }
  auto grown = allocate(size_bytes);
  if (!grown) {
    return fail(std::move(grown.error()));
  }
  // The end is defined by the size that the plugin requested.
  std::memcpy(grown->data + grown->size_bytes - used_back_bytes, open_->data + open_->size_bytes - used_back_bytes,
              used_back_bytes);
  std::memcpy(grown->data, open_->data, used_front_bytes);
  close();
  open_ = std::move(*grown);
  return open_->data;
}

Result<void> ResultBuilder::commit(const std::uint8_t* data, std::uint64_t size_bytes) {
  if (!open_) {
    return fail(ErrorCode::kInvalidArgument, "commit without an open block; call reserve first");
  }
  const auto first = reinterpret_cast<std::uintptr_t>(open_->data);
  const auto begin = reinterpret_cast<std::uintptr_t>(data);
  if (begin < first || !range_fits(begin - first, size_bytes, open_->capacity_bytes)) {
    return fail(ErrorCode::kInvalidArgument,
                "commit of " + std::to_string(size_bytes) + " bytes that lie outside the open block");
  }
  if (options_.max_results > 0 && results_.size() >= options_.max_results) {
    return fail(
        ErrorCode::kInvalidArgument,
        "this step may commit at most " + count_of(options_.max_results, "result", "results") + " (max_results)");
  }
  if (options_.max_results == 0) {
    for (ResultBlob& blob : results_) {
      give_back(blob);
    }
    results_.clear();
    scratch_committed_ = false;
  }
  ResultBlob blob = std::move(open_->blob);
  blob.bytes = BytesView(open_->data + (begin - first), size_bytes);
  if (open_->scratch) {
    // The next result reuses the scratch, so a result of several is copied out; the single result
    // of a plain call stays in it.
    if (options_.max_results > 0) {
      blob.heap = std::make_unique<std::uint8_t[]>(size_bytes == 0 ? 1 : size_bytes);
      std::memcpy(blob.heap.get(), blob.bytes.data(), size_bytes);
      blob.bytes = BytesView(blob.heap.get(), size_bytes);
    } else {
      scratch_committed_ = true;
    }
  } else if (blob.bytes.size() > 0 && !is_aligned(begin, kAlignment)) {
    // The reader needs an aligned result.
    std::uint8_t* aligned = open_->data + ((begin - first) & ~(kAlignment - 1));
    std::memmove(aligned, blob.bytes.data(), size_bytes);
    blob.bytes = BytesView(aligned, size_bytes);
  }
  results_.push_back(std::move(blob));
  open_.reset();
  return {};
}

}  // namespace tenon::internal
