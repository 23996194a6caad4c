/// Makes a tenon.Record of the fields of an item.
#pragma once

#include <vector>

#include <flatbuffers/flatbuffers.h>

#include <tenon/error.hpp>
#include <tenon/reply.hpp>

#include "pipeline/edge.hpp"
#include "pipeline/item_rules.hpp"

namespace tenon {
struct RecordField;
}

namespace tenon::internal {

/// Not thread-safe; keeps its memory from record to record.
class RecordMaker {
 public:
  /// `rule` must outlive it.
  explicit RecordMaker(const ProjectRule& rule);
  /// Errors: kCorrupt if a field of the item is not valid; kTooLarge.
  [[nodiscard]] Result<Reply> make(const Item& item);

 private:
  const ProjectRule& rule_;
  flatbuffers::FlatBufferBuilder builder_;
  std::vector<flatbuffers::Offset<RecordField>> fields_;  ///< The fields of the record being made.
};

}  // namespace tenon::internal
