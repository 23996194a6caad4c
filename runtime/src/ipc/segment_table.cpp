#include "ipc/segment_table.hpp"

#include <string>
#include <utility>

#include "base/checked.hpp"
#include "base/hot.hpp"

namespace tenon::internal {

namespace {

constexpr std::uint64_t kBlockAlignmentBytes = 16;

tl::unexpected<Error> corrupt(std::string_view what, const std::string& why) {
  return fail(ErrorCode::kCorrupt, std::string(what) + ": " + why);
}

}  // namespace

Result<void> SegmentTable::add(std::uint32_t segment, std::shared_ptr<const Mapping> mapping) {
  if (segment == kNoSegment || segment == kInlineSegment) {
    return fail(ErrorCode::kInvalidArgument, "segment number " + std::to_string(segment) + " is reserved");
  }
  if (mapping == nullptr || !mapping->valid()) {
    return fail(ErrorCode::kCorrupt, "segment " + std::to_string(segment) + " has no memory");
  }
  recent_ = nullptr;
  if (!segments_.emplace(segment, std::move(mapping)).second) {
    return fail(ErrorCode::kCorrupt, "segment " + std::to_string(segment) + " exists already");
  }
  return {};
}

bool SegmentTable::remove(std::uint32_t segment) {
  recent_ = nullptr;
  return segments_.erase(segment) != 0;
}

const std::shared_ptr<const Mapping>* SegmentTable::find(std::uint32_t segment) const noexcept {
  if (recent_ != nullptr && recent_number_ == segment) {
    return recent_;
  }
  const auto found = segments_.find(segment);
  if (found == segments_.end()) {
    return nullptr;
  }
  recent_number_ = segment;
  recent_ = &found->second;
  return recent_;
}

TENON_HOT Result<BytesView> SegmentTable::resolve(const BlockRef& block, BytesView inline_bytes,
                                                  std::string_view what) const {
  if (block.absent()) {
    if (block.size_bytes != 0 || block.offset_bytes != 0) {
      return corrupt(what, "an absent block has an offset or a size");
    }
    return BytesView();
  }
  if (block.is_inline()) {
    if (block.offset_bytes != 0) {
      return corrupt(what, "offset " + std::to_string(block.offset_bytes) + " of an inline block is not 0");
    }
    if (block.size_bytes > inline_bytes.size()) {
      return corrupt(what, "size " + std::to_string(block.size_bytes) + " is more than the slot holds");
    }
    return inline_bytes.first(block.size_bytes);
  }
  const auto* mapping = find(block.segment);
  if (mapping == nullptr) {
    return fail(ErrorCode::kNotFound, std::string(what) + ": segment " + std::to_string(block.segment) + " is unknown");
  }
  if (!is_aligned(block.offset_bytes, kBlockAlignmentBytes)) {
    return corrupt(what, "offset " + std::to_string(block.offset_bytes) + " is not a multiple of 16");
  }
  if (!range_fits(block.offset_bytes, block.size_bytes, (*mapping)->size_bytes())) {
    return corrupt(what, "offset " + std::to_string(block.offset_bytes) + " and size " +
                             std::to_string(block.size_bytes) + " lie outside segment " +
                             std::to_string(block.segment) + " of " + std::to_string((*mapping)->size_bytes()) +
                             " bytes");
  }
  return (*mapping)->bytes().subspan(block.offset_bytes, block.size_bytes);
}

}  // namespace tenon::internal
