/// The segments that this process can read, by number, and validation of every location inside
/// them.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <unordered_map>

#include <tenon/bytes.hpp>
#include <tenon/error.hpp>

#include "ipc/layout.hpp"
#include "platform/shared_memory.hpp"

namespace tenon::internal {

/// One table per worker on the host's side, and one in each worker. One thread at a time.
class SegmentTable {
 public:
  /// Adds a segment. Errors: kInvalidArgument: a reserved number; kCorrupt: the number is in use,
  /// or the mapping is not valid.
  [[nodiscard]] Result<void> add(std::uint32_t segment, std::shared_ptr<const Mapping> mapping);
  /// Removes a segment; the mapping is freed with its last owner. Returns whether it existed.
  bool remove(std::uint32_t segment);
  [[nodiscard]] bool contains(std::uint32_t segment) const noexcept { return find(segment) != nullptr; }
  /// The mapping; nullptr for an unknown number. Valid until the table changes.
  [[nodiscard]] const std::shared_ptr<const Mapping>* find(std::uint32_t segment) const noexcept;
  [[nodiscard]] std::size_t size() const noexcept { return segments_.size(); }

  /// The bytes that `block` names: empty for an absent block, inside `inline_bytes` for an inline
  /// one, otherwise inside the segment. Validates number, alignment to 16, offset and size,
  /// whatever their source; `what` names the field in errors. Errors: kNotFound: an unknown segment
  /// (the control channel may still announce it); kCorrupt: any other invalid value.
  [[nodiscard]] Result<BytesView> resolve(const BlockRef& block, BytesView inline_bytes, std::string_view what) const;

 private:
  std::unordered_map<std::uint32_t, std::shared_ptr<const Mapping>> segments_;
  // The last one found: most calls name the same segment.
  mutable std::uint32_t recent_number_ = kNoSegment;
  mutable const std::shared_ptr<const Mapping>* recent_ = nullptr;
};

}  // namespace tenon::internal
