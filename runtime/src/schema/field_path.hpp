/// schema/field_path.hpp: reads one field of a FlatBuffer that has not been verified.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tenon/bytes.hpp>
#include <tenon/error.hpp>

#include "schema/schema_model.hpp"

namespace tenon::internal {

/// What a field holds.
enum class FieldKind {
  kBool,     ///< FieldValue::integer is 0 or 1.
  kInteger,  ///< A signed integer.
  kNatural,  ///< An unsigned integer; FieldValue::integer has its bits.
  kReal,
  kText,
  kEnum,   ///< FieldValue::integer is the number of the value.
  kOther,  ///< A table, vector or union: only whether it is present can be read.
};

/// The type of a field, as far as a reader of its values needs it.
struct FieldShape {
  FieldKind kind = FieldKind::kOther;
  std::string type;        ///< The type as a schema writes it.
  std::int64_t least = 0;  ///< For integers, like `most`.
  std::uint64_t most = 0;
  bool single_precision = false;
  bool optional = false;                                    ///< A scalar without a default.
  bool always_present = false;                              ///< Every valid item has a value for it.
  std::vector<std::pair<std::string, std::int64_t>> names;  ///< The values of an enum.
};

/// The value of a field.
struct FieldValue {
  /// Whether the item has the value. A scalar that is not optional is present, with its default
  /// value if it is not stored, unless a table on its path is absent.
  bool present = false;
  std::int64_t integer = 0;  ///< The default if the value is absent, like `real`.
  double real = 0;
  std::string_view text;  ///< Points into the item. Empty if it is absent.
};

/// A path to a field, as offsets. Immutable; [any-thread].
class FieldPath {
 public:
  /// `path` is dotted for nested tables. Errors: kNotFound for an unknown field; kInvalidArgument
  /// for a path through a field that is not a table.
  [[nodiscard]] static Result<FieldPath> make(const SchemaModel& model, std::string_view type, std::string_view path);

  [[nodiscard]] const FieldShape& shape() const noexcept { return shape_; }
  /// Reads the field of any bytes, which may even change meanwhile: every offset is read once and
  /// compared with the size before it is followed. Nothing else of the item is verified. Returns
  /// false if what lies on the path is not valid. `buffer` is aligned to 8 bytes.
  [[nodiscard]] bool read(BytesView buffer, FieldValue& value) const noexcept;

 private:
  struct Step {
    bool in_struct = false;  ///< `offset` is a distance in bytes, and not a slot of a vtable.
    bool to_struct = false;  ///< It leads to a struct, which lies in place.
    bool required = false;
    std::uint16_t offset = 0;
  };
  FieldPath() = default;

  std::vector<Step> steps_;  ///< The tables and structs on the path, and last the field itself.
  BaseType base_ = BaseType::kNone;
  std::int64_t default_integer_ = 0;
  double default_real_ = 0;
  FieldShape shape_;
};

}  // namespace tenon::internal
