/// A field of the items on an edge, found once and read for each item.
#pragma once

#include <memory>

#include "pipeline/edge.hpp"
#include "schema/field_path.hpp"

namespace tenon::internal {

/// Reads one field. An interface, because the tests' items are texts. Immutable; [any-thread].
class ItemField {
 public:
  ItemField() = default;
  ItemField(const ItemField&) = delete;
  ItemField& operator=(const ItemField&) = delete;
  virtual ~ItemField() = default;

  [[nodiscard]] virtual const FieldShape& shape() const noexcept = 0;
  /// Reads the field without verifying the rest of the item; see FieldPath::read. The text in
  /// `value` is valid as long as the item. Returns false if the item is not valid.
  [[nodiscard]] virtual bool read(const Item& item, FieldValue& value) const = 0;
};

/// Graphs are copied with their fields.
using ItemFieldPointer = std::shared_ptr<const ItemField>;

}  // namespace tenon::internal
